// The labels of a workload, from the wire.
#include "culvert/xds/resources.hpp"
#include "culvert_labels.pb.h"

namespace culvert::xds {

Result<WorkloadLabels> parse_labels(std::string_view wire) {
  culvert::workload::v1::Labels message;
  if (!message.ParseFromArray(wire.data(), static_cast<int>(wire.size()))) {
    return fail(ErrorCode::kProtocol, "labels that are no Labels", Origin::kControl);
  }
  if (message.uid().empty()) {
    return fail(ErrorCode::kInvalid, "labels without the uid of a workload", Origin::kControl);
  }
  return WorkloadLabels{message.uid(), {message.labels().begin(), message.labels().end()}};
}

}  // namespace culvert::xds
