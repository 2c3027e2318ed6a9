// The guard's reading of frames and its verdict, compiled natively from bpf/segment.h and
// bpf/guard.h.
#include <linux/types.h>

#include <cstring>
#include <vector>

namespace {

using Bytes = std::vector<__u8>;

// What bpf_skb_load_bytes does in the kernel; `frame` is a Bytes.
long cv_load(const void* frame, __u32 at, void* to, __u32 size) {
  const auto& bytes = *static_cast<const Bytes*>(frame);
  if (at + size > bytes.size()) return -14;
  std::memcpy(to, bytes.data() + at, size);
  return 0;
}

}  // namespace

#include "../../../bpf/guard.h"

#include <doctest/doctest.h>

#include "culvert/bpf/address.hpp"

using namespace culvert;

namespace {

constexpr __u8 kSyn = 2, kRst = 4, kPush = 8, kAck = 16, kFin = 1;

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
Bytes word(unsigned value) {
  return {static_cast<__u8>(value >> 8), static_cast<__u8>(value)};
}
Bytes ethernet(unsigned type, const std::vector<unsigned>& tags = {}) {
  Bytes out(12, 2);
  for (const unsigned tag : tags) out = out + word(tag) + word(5);
  return out + word(type);
}
Bytes tcp(__u8 flags, std::size_t payload = 0, unsigned port = 80, __u8 header_words = 5) {
  Bytes out = word(40000) + word(port) + Bytes(8, 0);
  out = out + Bytes{static_cast<__u8>(header_words << 4), flags} + Bytes(6, 0);
  return out + Bytes(header_words > 5 ? (header_words - 5U) * 4 : 0, 1) + Bytes(payload, 'x');
}
Bytes ip4(const Bytes& inside, __u8 protocol = 6, unsigned fragment = 0, __u8 words = 5) {
  Bytes out = Bytes{static_cast<__u8>(0x40 | words), 0} + word(unsigned(words * 4 + inside.size()));
  out = out + word(1) + word(fragment) + Bytes{64, protocol, 0, 0, 10, 0, 0, 5, 10, 0, 0, 9};
  return out + Bytes(words > 5 ? (words - 5U) * 4 : 0, 1) + inside;
}
Bytes ip6(const Bytes& inside, __u8 next = 6) {
  Bytes out = Bytes{0x60, 0, 0, 0} + word(unsigned(inside.size())) + Bytes{next, 64};
  Bytes source(16, 0), target(16, 0);
  source[0] = target[0] = 0xfd;
  source[15] = 5;
  target[15] = 9;
  return out + source + target + inside;
}
// An extension header of 8 * (1 + more) bytes.
Bytes extension(__u8 next, __u8 more = 0) {
  return Bytes{next, more} + Bytes(6U + 8U * more, 0);
}

struct Read {
  cv_frame_kind kind;
  cv_segment segment{};
};
Read read(const Bytes& frame) {
  Read out{};
  out.kind = cv_read_frame(&frame, static_cast<__u32>(frame.size()), &out.segment);
  return out;
}

cv_leaving leaving(__u8 flags, std::size_t payload = 0) {
  const Read r = read(ethernet(0x0800) + ip4(tcp(flags, payload)));
  return {.kind = r.kind, .segment = r.segment, .of_socket = 1};
}

}  // namespace

TEST_CASE("a segment is read in both families, with options and tags") {
  for (const Bytes& frame :
       {ethernet(0x0800) + ip4(tcp(kAck, 3)), ethernet(0x0800) + ip4(tcp(kAck, 3, 80, 8), 6, 0, 7),
        ethernet(0x0800, {0x8100}) + ip4(tcp(kAck, 3)),
        ethernet(0x0800, {0x88a8, 0x8100}) + ip4(tcp(kAck, 3))}) {
    const Read r = read(frame);
    REQUIRE(r.kind == CV_FRAME_SEGMENT);
    CHECK(bpf::from_abi(r.segment.source).to_string() == "10.0.0.5");
    CHECK(bpf::from_abi(r.segment.target).to_string() == "10.0.0.9");
    CHECK(r.segment.source_port == 40000);
    CHECK(r.segment.target_port == 80);
    CHECK((r.segment.ack == 1 && r.segment.syn == 0 && r.segment.payload == 1));
  }
  const Read six = read(ethernet(0x86dd) + ip6(tcp(kSyn)));
  REQUIRE(six.kind == CV_FRAME_SEGMENT);
  CHECK(bpf::from_abi(six.segment.target).to_string() == "fd00::9");
  CHECK((six.segment.syn == 1 && six.segment.payload == 0));
}

TEST_CASE("extension headers are followed, up to a bound") {
  for (const __u8 kind : {0, 43, 60, 135, 139, 140, 51, 44}) {
    const Read r = read(ethernet(0x86dd) + ip6(extension(6) + tcp(kSyn, 1), kind));
    CHECK(r.kind == CV_FRAME_SEGMENT);
    CHECK(r.segment.target_port == 80);
    CHECK(r.segment.payload == 1);
  }
  CHECK(read(ethernet(0x86dd) + ip6(extension(60, 3) + extension(6) + tcp(kSyn), 0)).kind ==
        CV_FRAME_SEGMENT);
  for (const unsigned count : {CV_MAX_IP6_HEADERS, CV_MAX_IP6_HEADERS + 1}) {
    Bytes headers;
    for (unsigned i = 1; i < count; i++) headers = headers + extension(60);
    const Read r = read(ethernet(0x86dd) + ip6(headers + extension(6) + tcp(kSyn), 60));
    CHECK(r.kind == (count == CV_MAX_IP6_HEADERS ? CV_FRAME_SEGMENT : CV_FRAME_UNREADABLE));
  }
}

TEST_CASE("fragments other than the first are told apart by what may be TCP") {
  CHECK(read(ethernet(0x0800) + ip4(tcp(kAck, 3), 6, 0x2000)).kind == CV_FRAME_SEGMENT);
  CHECK(read(ethernet(0x0800) + ip4(Bytes(64, 'x'), 6, 0x2001)).kind == CV_FRAME_FRAGMENT);
  CHECK(read(ethernet(0x0800) + ip4(Bytes(64, 'x'), 17, 0x2001)).kind == CV_FRAME_OTHER);
  const auto later = [](__u8 next) {
    return read(ethernet(0x86dd) + ip6(Bytes{next, 0, 0, 8, 0, 0, 0, 1} + Bytes(64, 'x'), 44)).kind;
  };
  CHECK(later(6) == CV_FRAME_FRAGMENT);
  CHECK(later(60) == CV_FRAME_FRAGMENT);  // TCP may stand behind it
  CHECK(later(17) == CV_FRAME_OTHER);
  CHECK(later(58) == CV_FRAME_OTHER);
}

TEST_CASE("what is not TCP is other, what does not hold together is unreadable") {
  CHECK(read(ethernet(0x0806) + Bytes(28, 0)).kind == CV_FRAME_OTHER);  // ARP
  CHECK(read(ethernet(0x0800) + ip4(Bytes(8, 0), 17)).kind == CV_FRAME_OTHER);
  CHECK(read(ethernet(0x86dd) + ip6(Bytes(8, 0), 58)).kind == CV_FRAME_OTHER);
  CHECK(read(ethernet(0x86dd) + ip6({}, 59)).kind == CV_FRAME_OTHER);
  CHECK(read(ethernet(0x0800, {0x8100, 0x8100, 0x8100}) + ip4(tcp(kSyn))).kind ==
        CV_FRAME_UNREADABLE);
  CHECK(read(ethernet(0x0800) + ip6(tcp(kSyn))).kind == CV_FRAME_UNREADABLE);
  CHECK(read(ethernet(0x86dd) + ip4(tcp(kSyn)) + Bytes(20, 0)).kind == CV_FRAME_UNREADABLE);
  CHECK(read(ethernet(0x0800) + ip4(tcp(kSyn), 6, 0, 4)).kind == CV_FRAME_UNREADABLE);
  CHECK(read(ethernet(0x0800) + ip4(tcp(kSyn, 0, 80, 4))).kind == CV_FRAME_UNREADABLE);
  CHECK(read(ethernet(0x0800) + ip4(tcp(kSyn, 0, 80, 4) + Bytes(40, 0))).kind ==
        CV_FRAME_UNREADABLE);
}

TEST_CASE("a frame that is cut short at any byte is never taken for a whole segment") {
  for (const Bytes& whole : {ethernet(0x0800, {0x8100}) + ip4(tcp(kSyn)),
                             ethernet(0x86dd) + ip6(extension(60) + extension(6) + tcp(kSyn), 0)}) {
    REQUIRE(read(whole).kind == CV_FRAME_SEGMENT);
    for (std::size_t size = 0; size < whole.size(); size++) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      CAPTURE(size);
      CHECK(read(cut).kind == CV_FRAME_UNREADABLE);
    }
  }
}

TEST_CASE("segments without SYN and payload pass: RST, FIN and ACKs may be the kernel's own") {
  for (const __u8 flags :
       {kRst, kAck, static_cast<__u8>(kFin | kAck), static_cast<__u8>(kRst | kAck)}) {
    const cv_leaving p = leaving(flags);
    CHECK(cv_guard_verdict(&p) == CV_NOT_COUNTED);
  }
}

TEST_CASE("SYN and payload are stopped, with or without a socket") {
  for (const __u8 of_socket : {0, 1}) {
    cv_leaving p = leaving(kSyn);
    p.of_socket = of_socket;
    CHECK(cv_guard_verdict(&p) == CV_GUARD_SYN);
    p = leaving(kAck | kPush, 1);
    p.of_socket = of_socket;
    CHECK(cv_guard_verdict(&p) == CV_GUARD_DATA);
    p = leaving(kSyn | kAck, 1);  // data with a SYN-ACK is nobody's
    p.of_socket = of_socket;
    CHECK(cv_guard_verdict(&p) == CV_GUARD_SYN);
  }
}

TEST_CASE("a SYN-ACK passes only from the kernel itself: SYN cookies have no socket") {
  cv_leaving p = leaving(kSyn | kAck);
  CHECK(cv_guard_verdict(&p) == CV_GUARD_SYN);
  p.of_socket = 0;
  CHECK(cv_guard_verdict(&p) == CV_NOT_COUNTED);
}

TEST_CASE(
    "excluded destinations pass, fragments too; answers to the kubelet pass but open nothing") {
  cv_leaving p = leaving(kSyn);
  p.excluded = 1;
  CHECK(cv_guard_verdict(&p) == CV_GUARD_EXEMPT);
  p.kind = CV_FRAME_FRAGMENT;
  CHECK(cv_guard_verdict(&p) == CV_GUARD_EXEMPT);
  p.kind = CV_FRAME_UNREADABLE;
  CHECK(cv_guard_verdict(&p) == CV_GUARD_UNREADABLE);

  p = leaving(kSyn | kAck);
  p.answers_probe = 1;
  CHECK(cv_guard_verdict(&p) == CV_GUARD_EXEMPT);
  p = leaving(kAck, 5);
  p.answers_probe = 1;
  CHECK(cv_guard_verdict(&p) == CV_GUARD_EXEMPT);
  p = leaving(kSyn);
  p.answers_probe = 1;
  CHECK(cv_guard_verdict(&p) == CV_GUARD_SYN);
}

TEST_CASE("strict drops what the guard counts but for what is exempt") {
  for (const int verdict : {CV_GUARD_SYN, CV_GUARD_DATA, CV_GUARD_FRAGMENT, CV_GUARD_UNREADABLE})
    CHECK(cv_guard_drops(verdict));
  CHECK_FALSE(cv_guard_drops(CV_GUARD_EXEMPT));
  CHECK_FALSE(cv_guard_drops(CV_NOT_COUNTED));
}
