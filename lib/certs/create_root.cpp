// The built-in root: made once, in a directory that appears whole.
#include <fcntl.h>
#include <openssl/err.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "ca_material.hpp"
#include "culvert/base/fd.hpp"
#include "pem.hpp"
#include "x509_build.hpp"

namespace culvert::certs {
namespace {

tls::X509Ptr make_root(EVP_PKEY& key, const std::string& organization,
                       std::chrono::system_clock::time_point now) {
  tls::X509Ptr root(X509_new());
  if (!root) return nullptr;
  X509_NAME* const name = X509_get_subject_name(root.get());
  const bool made =
      X509_set_version(root.get(), X509_VERSION_3) == 1 && set_random_serial(*root) &&
      set_validity(*root, now - kNotBeforeSkew, now + kRootLifetime) &&
      X509_set_pubkey(root.get(), &key) == 1 &&
      X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(organization.data()),
                                 static_cast<int>(organization.size()), -1, 0) == 1 &&
      X509_set_issuer_name(root.get(), name) == 1 &&
      add_extension(*root, *root, NID_basic_constraints, "critical,CA:TRUE") &&
      add_extension(*root, *root, NID_key_usage, "critical,keyCertSign,cRLSign") &&
      add_extension(*root, *root, NID_subject_key_identifier, "hash") &&
      X509_sign(root.get(), &key, EVP_sha256()) > 0;
  ERR_clear_error();
  return made ? std::move(root) : nullptr;
}

Result<void> sync_directory(const std::string& path) {
  const UniqueFd dir(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir.valid() || ::fsync(dir.get()) != 0) return fail_errno(errno, "sync directory");
  return {};
}

Result<void> write_synced(const std::string& path, std::string_view content) {
  if (auto written = write_file_atomic(path, content, 0600); !written) return written;
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid() || ::fsync(file.get()) != 0) return fail_errno(errno, "sync file");
  return {};
}

}  // namespace

std::expected<void, Diagnostic> create_root(const std::string& dir, const std::string& organization,
                                            std::chrono::system_clock::time_point now) {
  const auto key = make_p256_key();
  const auto root = key ? make_root(*key, organization, now) : nullptr;
  const auto key_pem = key ? write_private_key(key.get()) : tls::Secret();
  if (!root || key_pem.empty()) {
    return bad_file(dir, "OpenSSL made no root certificate; its O is \"" + organization + "\"");
  }
  std::string temporary = dir + ".new.XXXXXX";
  if (::mkdtemp(temporary.data()) == nullptr) {  // mode 0700
    return bad_file(dir, fail_errno(errno, "create directory").error().to_string());
  }
  Result<void> done = write_synced(temporary + "/ca-key.pem", key_pem.view());
  if (done) done = write_synced(temporary + "/ca-cert.pem", tls::write_certificate(*root));
  if (done) done = sync_directory(temporary);
  // Onto a directory with files in it rename fails, so the root of whoever was first stays.
  if (done && ::rename(temporary.c_str(), dir.c_str()) != 0 && errno != ENOTEMPTY &&
      errno != EEXIST) {
    done = fail_errno(errno, "rename directory");
  }
  std::error_code ignored;
  std::filesystem::remove_all(temporary, ignored);
  if (!done) return bad_file(dir, done.error().to_string());
  if (auto synced = sync_directory(std::filesystem::path(dir).parent_path()); !synced) {
    return bad_file(dir, synced.error().to_string());
  }
  return {};
}

}  // namespace culvert::certs
