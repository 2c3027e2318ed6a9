// A stand-in for ztunnel in one pod: listeners in the capture maps, plain relaying, no mesh.
#pragma once

#include <string>

namespace culvert::test {

/// Serves until the process is killed. Outbound connections are relayed to their original
/// destination when `relay`, else answered with "origin ADDRESS\n" and echoed. Inbound ones go to
/// the application, which is shown the real client. Prints {"ready":true}, then one JSON line a
/// connection.
int run_fake_ztunnel(const std::string& pin_dir, const std::string& netns, bool relay);

}  // namespace culvert::test
