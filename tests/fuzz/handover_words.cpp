// What another ztunnel of the node says of pods and counts while one takes the other's place: what
// was read is said again in the same words. Input: the packet.
#include <string>

#include "property.hpp"
#include "ztunnel/handover/counts.hpp"
#include "ztunnel/handover/words.hpp"

using namespace culvert;
using fuzz::require;
namespace handover = ztunnel::handover;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto packet = fuzz::text_of({data, size});
  for (const auto verb : {handover::kKeep, handover::kRemove}) {
    const auto pod = handover::parse_pod_words(verb, packet);
    if (!pod) continue;
    require(packet.starts_with(verb), "only the verb that is waited for counts");
    require(!pod->uid.empty() && pod->uid.find(' ') == std::string::npos, "a uid is one word");
    const auto words = handover::pod_words(verb, *pod);
    require(handover::parse_pod_words(verb, words) == pod, "what was said is read as it was");
    require(words.size() <= packet.size(), "leading zeros are all that can be lost");
  }
  if (const auto series = handover::parse_series(packet)) {
    const auto again = handover::parse_series(handover::series_words(*series));
    require(again && *again->labels == *series->labels && again->counts == series->counts,
            "counts that were said are read as they were");
  }
  telemetry::TrafficMetrics metrics(1);
  proxy::TrustCounters trust;
  ztunnel::CountsTaker taker(metrics, trust);
  const auto took = taker.take(packet);
  require(took != ztunnel::CountsTaker::Took::kAll || metrics.size() == 0, "nothing is made up");
  return 0;
}
