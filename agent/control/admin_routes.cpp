#include "admin_routes.hpp"

#include <charconv>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include "model_json.hpp"
#include "report_json.hpp"

namespace culvert::control {
namespace {

// An answer on its way from the loop to an admin thread, which may have stopped waiting.
template <class T>
class Answer {
 public:
  void set(T value) {
    {
      const std::lock_guard lock(mutex_);
      value_ = std::move(value);
    }
    arrived_.notify_all();
  }
  std::optional<T> wait(std::chrono::milliseconds at_most) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, at_most, [&] { return value_.has_value(); });
    return std::move(value_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::optional<T> value_;  // guarded by mutex_
};

std::optional<Report> ask_report(io::Loop& loop, Control& control) {
  auto answer = std::make_shared<Answer<Report>>();
  loop.post([answer, &control] { answer->set(control.report()); });
  return answer->wait(kAskTimeout);
}

admin::Response busy() {
  return admin::error_response(503, "control does not answer",
                               "try again; see its log if this stays so");
}

io::Task<> run_sync(Control* control, std::shared_ptr<Answer<SyncResult>> answer,
                    io::Deadline deadline) {
  answer->set(co_await control->sync(deadline));
}

// timeout_ms of the query; nullopt when it is no number within the bound.
std::optional<std::chrono::milliseconds> sync_timeout(const admin::Request& request) {
  const auto found = request.query.find("timeout_ms");
  if (found == request.query.end()) return kDefaultSyncTimeout;
  unsigned value = 0;
  const char* end = found->second.data() + found->second.size();
  const auto [stop, problem] = std::from_chars(found->second.data(), end, value);
  if (problem != std::errc{} || stop != end || value > kMaxSyncTimeout.count()) return std::nullopt;
  return std::chrono::milliseconds(value);
}

// 200: read and in force everywhere; 503: the folder cannot be read; 504: not acknowledged in time.
admin::Response sync(io::Loop& loop, Control& control, const admin::Request& request) {
  const auto timeout = sync_timeout(request);
  if (!timeout)
    return admin::error_response(400, "timeout_ms is no number of milliseconds", "use 0 to 60000");
  auto answer = std::make_shared<Answer<SyncResult>>();
  const io::Deadline deadline = io::in(*timeout);
  loop.post([&loop, &control, answer, deadline] {
    loop.root().spawn(&run_sync, &control, answer, deadline);
  });
  const auto result = answer->wait(*timeout + kAskTimeout);
  if (!result) return busy();
  admin::Response response{.body = status_json(result->report)};
  if (!result->acknowledged) response.status = 504;
  if (!result->folder_read) response.status = 503;
  return response;
}

}  // namespace

std::vector<admin::Route> admin_routes(io::Loop& loop, Control& control) {
  return {
      {"GET", "/status",
       [&loop, &control](const admin::Request&) {
         const auto report = ask_report(loop, control);
         return report ? admin::Response{.body = status_json(*report)} : busy();
       }},
      {"POST", "/sync",
       [&loop, &control](const admin::Request& request) { return sync(loop, control, request); }},
      {"GET", "/resources",
       [&loop, &control](const admin::Request&) {
         const auto report = ask_report(loop, control);
         return report ? admin::Response{.body = resources_json(*report->view->resources)} : busy();
       }},
      {"GET", "/model",
       [&loop, &control](const admin::Request&) {
         const auto report = ask_report(loop, control);
         return report ? admin::Response{.body = model_json(*report->view)} : busy();
       }},
      {"GET", "/healthz/ready",
       [&loop, &control](const admin::Request&) {
         return ask_report(loop, control) ? admin::Response{.body = "{\"ready\":true}\n"} : busy();
       }},
  };
}

}  // namespace culvert::control
