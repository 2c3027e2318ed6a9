// What the agent's routes answer with: JSON documents and the words of states. Pure.
#pragma once

#include <nlohmann/json.hpp>

#include "culvert/admin/http_server.hpp"
#include "pod.hpp"

namespace culvert::agent {

/// 200 with the document on one line; bytes that are no UTF-8 become U+FFFD.
inline admin::Response json_response(const nlohmann::ordered_json& body) {
  return {.body =
              body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n"};
}

/// "captured", "failed", "ending".
inline const char* text(CaptureState state) {
  switch (state) {
    case CaptureState::kCaptured:
      return "captured";
    case CaptureState::kFailed:
      return "failed";
    case CaptureState::kEnding:
      return "ending";
  }
  return "";
}

}  // namespace culvert::agent
