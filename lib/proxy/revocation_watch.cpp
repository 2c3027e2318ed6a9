#include "culvert/proxy/revocation_watch.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <set>

#include "culvert/base/fd.hpp"
#include "culvert/base/log.hpp"
#include "culvert/certs/revocation_file.hpp"
#include "culvert/io/event.hpp"

namespace culvert::proxy {

io::Task<> RevocationWatch::run() {
  if (path_.empty()) co_return;
  do look();
  while (co_await io::sleep_until(io::in(kRevocationPoll)));
}

void RevocationWatch::trust(const std::string& identity, const std::string& intermediates,
                            const std::string& roots) {
  if (path_.empty()) return;
  trusted_[identity] = {intermediates, roots};
  look();
}

void RevocationWatch::forget(const std::string& identity) {
  trusted_.erase(identity);
}

void RevocationWatch::look() {
  std::set<std::string> roots, intermediates;
  for (const auto& [identity, issuers] : trusted_) {
    intermediates.insert(issuers.first);
    roots.insert(issuers.second);
  }
  std::string all_roots, all_intermediates;
  for (const auto& one : roots) all_roots += one;
  for (const auto& one : intermediates) all_intermediates += one;
  if (all_roots.empty()) return;  // no certificate yet, so no handshake either

  struct stat info{};
  if (::stat(path_.c_str(), &info) != 0) {
    seen_ = {};
    return refuse(fail_errno(errno, "look at the file").error().to_string());
  }
  const Seen now{info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
  std::string issuers = all_roots + all_intermediates;
  if (now == seen_ && issuers == judged_by_) return;
  seen_ = now;
  judged_by_ = std::move(issuers);
  const auto text = read_file(path_, certs::kMaxRevocationFileBytes);
  if (!text) return refuse(text.error().to_string());
  const auto read = certs::read_revocations(*text, all_roots, all_intermediates);
  if (!read) return refuse(read.error());
  if (!read->warning.empty()) log::warn("{}: {}", path_, read->warning);
  log::info("{}: {} certificate(s) are revoked", path_, read->list->size());
  problem_.clear();
  publish_(read->list);
}

void RevocationWatch::refuse(std::string why) {
  if (why != problem_) log::error("{}: {}; what was revoked before stays so", path_, why);
  problem_ = std::move(why);
}

}  // namespace culvert::proxy
