// What is wrong with one document, and where each of its fields stands. Private to lib/config.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace google::protobuf {
class Descriptor;
}

namespace culvert::config {

struct Mark {
  int line = 0;  // from 1
  int column = 0;
};

struct Problem {
  Mark mark;
  std::string field;  // path, e.g. "spec.rules[0].from"
  std::string reason;
  std::string suggestion;
  bool warning = false;
};

/// Problems of one document beyond this many are counted, not kept. An error is kept in place of a
/// warning.
inline constexpr std::size_t kMaxProblems = 100;

class Findings {
 public:
  void add(Mark mark, std::string field, std::string reason, std::string suggestion = "");
  /// At the place of `field`, or of the nearest enclosing field that is known.
  void add(const std::string& field, std::string reason, std::string suggestion = "");
  void warn(const std::string& field, std::string reason);
  /// A field that is not honoured, of an object that is served without it: a warning.
  void warn_without_effect(const std::string& field, const std::string& why);

  /// The messages that are being read, outermost first.
  struct Enclosing {
    const google::protobuf::Descriptor* type;
    std::string path;
  };
  const std::vector<Enclosing>& enclosing() const { return enclosing_; }
  /// Counts `type` among them for as long as the result lives.
  [[nodiscard]] auto enter(const google::protobuf::Descriptor& type, const std::string& path) {
    struct Leave {
      std::vector<Enclosing>* stack;
      explicit Leave(std::vector<Enclosing>* s) : stack(s) {}
      Leave(const Leave&) = delete;
      Leave& operator=(const Leave&) = delete;
      ~Leave() { stack->pop_back(); }
    };
    enclosing_.push_back({&type, path});
    return Leave(&enclosing_);
  }

  void place(const std::string& field, Mark mark) { places_.emplace(field, mark); }
  Mark find(std::string_view field) const;

  const std::vector<Problem>& problems() const { return problems_; }
  std::size_t dropped() const { return dropped_; }
  /// An error was among them; else all were warnings.
  bool dropped_error() const { return dropped_error_; }
  bool failed() const { return failed_; }
  /// "FIELD: why" of each field without effect.
  const std::vector<std::string>& without_effect() const { return without_effect_; }

 private:
  void keep(Problem problem);

  std::vector<Problem> problems_;
  std::vector<std::string> without_effect_;
  std::vector<Enclosing> enclosing_;
  std::unordered_map<std::string, Mark> places_;
  std::size_t dropped_ = 0;
  bool dropped_error_ = false;
  bool failed_ = false;
};

}  // namespace culvert::config
