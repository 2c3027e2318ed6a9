// Feed: where a process' configuration goes, and when it is first served by. The seam between the
// link to control and what each process makes of its resources. On the control loop's thread.
#pragma once

#include "culvert/xds/subscriber.hpp"

namespace culvert::proxy {

class Feed : public xds::ResourceSink {
 public:
  /// From now on what is applied is published, the present state at once. Before, nobody is told:
  /// workloads without their policies would let everybody in.
  virtual void open() = 0;
  virtual bool is_open() const = 0;
};

}  // namespace culvert::proxy
