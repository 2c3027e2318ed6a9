// Readers driven over bytes cut in any way; what they found as text, which tests compare.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "culvert/http/http1_reader.hpp"

namespace culvert::http::testing {

inline std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view text_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::string text_of(const Fields& fields) {
  std::string out;
  for (const Field field : fields) {
    out.append(" ").append(field.name).append("=[").append(field.value).append("]");
  }
  return out;
}

inline std::string text_of(const Body& body) {
  const std::string length = body.length ? std::to_string(*body.length) : "?";
  return body.present ? " body:" + length : body.length ? " no-body:" + length : "";
}

inline const char* text_of(Version version) {
  return version == Version::kHttp10 ? "1.0" : version == Version::kHttp11 ? "1.1" : "2";
}

inline std::string text_of(const RequestHead& head) {
  std::string out = head.method + " " + head.scheme + "://" + head.authority + " " + head.path +
                    " " + text_of(head.version) + text_of(head.fields) + text_of(head.body);
  if (head.expects_continue) out += " continue?";
  if (!head.upgrade.empty()) out += " upgrade:" + head.upgrade;
  return out;
}

inline std::string text_of(const ResponseHead& head) {
  std::string out = std::to_string(head.status) + " " + text_of(head.version) +
                    text_of(head.fields) + text_of(head.body);
  if (!head.upgrade.empty()) out += " upgrade:" + head.upgrade;
  return out;
}

/// What a reader made of its input so far.
struct Story {
  std::string text;   // a line a head, a body, a refusal
  std::string body;   // of the message under way
  std::string after;  // what followed an upgrade
  bool refused = false;
  Refusal refusal;

  void refuse(const Refusal& why) {
    refused = true;
    refusal = why;
    text += std::to_string(why.status) + ": " + why.text + "\n";
  }
};

/// Requests one after the other, fed in parts by the caller.
class RequestDriver {
 public:
  explicit RequestDriver(const Limits& limits = {}) : reader(limits) {}

  void feed(std::string_view part) {
    auto input = bytes_of(part);
    bool more = true;
    while (more && !story.refused) {
      const auto piece = reader.read(input);
      if (!piece) return story.refuse(piece.error());
      input = input.subspan(piece->eaten);
      more = take(*piece) || !input.empty();
    }
  }
  void finish() {
    if (story.refused) return;
    if (const auto end = reader.finish(); !end) story.refuse(end.error());
  }

  RequestReader reader;
  Story story;

 private:
  // True when there may be more without input.
  bool take(const Piece& piece) {
    switch (piece.found) {
      case Found::kHead:
        story.text += text_of(reader.head()) + "\n";
        return true;
      case Found::kBody:
        story.body += text_of(piece.body);
        return true;
      case Found::kEnd:
        story.text += "end [" + story.body + "]" + text_of(reader.trailers()) +
                      (reader.keep_alive() ? " keep\n" : " close\n");
        story.body.clear();
        reader.next();
        return false;
      default:
        return false;
    }
  }
};

/// The first part has `first` bytes, the others `then`; reads to the end.
template <class Driver>
Story drive(Driver& driver, std::string_view bytes, std::size_t first, std::size_t then) {
  driver.feed(bytes.substr(0, first));
  for (auto rest = bytes.substr(std::min(first, bytes.size())); !rest.empty();) {
    const auto part = rest.substr(0, then);
    driver.feed(part);
    rest.remove_prefix(part.size());
  }
  driver.finish();
  return driver.story;
}

inline Story requests(std::string_view bytes, const Limits& limits = {},
                      std::size_t first = std::string_view::npos, std::size_t then = SIZE_MAX) {
  RequestDriver driver(limits);
  return drive(driver, bytes, first, then);
}

/// What the request was that responses answer.
struct Asked {
  bool head = false;
  std::string_view upgrade;
};

/// Responses one after the other, until the input ends.
class ResponseDriver {
 public:
  explicit ResponseDriver(Asked asked, const Limits& limits = {}) : reader(limits), asked_(asked) {
    reader.next(asked.head, asked.upgrade);
  }

  void feed(std::string_view part) {
    auto input = bytes_of(part);
    bool more = true;
    while (more && !story.refused) {
      if (upgraded_) {
        story.after += text_of(input);
        return;
      }
      const auto piece = reader.read(input);
      if (!piece) return story.refuse(piece.error());
      input = input.subspan(piece->eaten);
      more = take(*piece) || !input.empty();
    }
  }
  void finish() {
    if (story.refused || upgraded_ || reader.idle()) return;
    const auto piece = reader.finish();
    if (!piece) return story.refuse(piece.error());
    take(*piece);
  }

  ResponseReader reader;
  Story story;

 private:
  bool take(const Piece& piece) {
    switch (piece.found) {
      case Found::kInformational:
      case Found::kHead:
        story.text += text_of(reader.head()) + "\n";
        return piece.found == Found::kHead;
      case Found::kBody:
        story.body += text_of(piece.body);
        return true;
      case Found::kEnd:
        story.text += "end [" + story.body + "]" + text_of(reader.trailers()) +
                      (reader.keep_alive() ? " keep\n" : " close\n");
        story.body.clear();
        upgraded_ = reader.head().status == 101;
        if (!upgraded_) reader.next(asked_.head, asked_.upgrade);
        return false;
      default:
        return false;
    }
  }

  Asked asked_;
  bool upgraded_ = false;
};

inline Story responses(std::string_view bytes, Asked asked = {}, const Limits& limits = {},
                       std::size_t first = std::string_view::npos, std::size_t then = SIZE_MAX) {
  ResponseDriver driver(asked, limits);
  return drive(driver, bytes, first, then);
}

}  // namespace culvert::http::testing
