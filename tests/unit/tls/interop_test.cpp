// Our sessions against `openssl s_client` and `openssl s_server`, over loopback.
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "culvert/base/fd.hpp"
#include "pair.hpp"

extern char** environ;

using namespace culvert;
using namespace culvert::test;
using tls::Role;

namespace {

constexpr int kPatienceMs = 60000;

// `openssl ARGS...` with a pipe to its standard input and one from its standard output.
class Openssl {
 public:
  explicit Openssl(std::vector<std::string> args) {
    int in[2], out[2];
    REQUIRE(::pipe2(in, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
    input_ = UniqueFd(in[1]);
    output_ = UniqueFd(out[0]);
    const UniqueFd child_in(in[0]), child_out(out[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, child_in.get(), 0);
    posix_spawn_file_actions_adddup2(&actions, child_out.get(), 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    args.insert(args.begin(), "openssl");
    std::vector<char*> argv;
    for (auto& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    REQUIRE(::posix_spawnp(&pid_, "openssl", &actions, nullptr, argv.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Openssl() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  void write(std::string_view text) {
    REQUIRE(::write(input_.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  // Reads until `text` has come; false when patience or the output ends first.
  bool prints(std::string_view text) {
    while (seen_.find(text) == std::string::npos) {
      pollfd wait{output_.get(), POLLIN, 0};
      if (::poll(&wait, 1, kPatienceMs) != 1) return false;
      char data[4096];
      const ssize_t got = ::read(output_.get(), data, sizeof data);
      if (got <= 0) return false;
      seen_.append(data, static_cast<std::size_t>(got));
    }
    return true;
  }

 private:
  pid_t pid_ = -1;
  UniqueFd input_, output_;
  std::string seen_;
};

// Moves bytes between the session and the socket until `done` holds or the connection ends.
template <class Done>
void pump(tls::Session& session, int fd, std::string& got, Done done) {
  const auto flush = [&] {
    const std::string out = session.take_output();
    if (!out.empty()) REQUIRE(::send(fd, out.data(), out.size(), MSG_NOSIGNAL) > 0);
  };
  flush();
  while (!done()) {
    pollfd wait{fd, POLLIN, 0};
    REQUIRE(::poll(&wait, 1, kPatienceMs) == 1);
    char data[4096];
    const ssize_t size = ::recv(fd, data, sizeof data, 0);
    REQUIRE(size > 0);
    const auto fed = session.feed(bytes({data, static_cast<std::size_t>(size)}), got);
    flush();
    if (!fed) FAIL(fed.error().to_string());
  }
}

UniqueFd loopback_socket(sockaddr_in& address) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  address = {
      .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t size = sizeof address;
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return fd;
}

struct Files {
  std::string dir = (std::filesystem::temp_directory_path() / "culvert-tls-XXXXXX").string();
  Minted root = mint_root();
  Minted ours = mint_workload(root, kWeb);
  Minted theirs = mint_workload(root, kDb);

  Files() {
    REQUIRE(::mkdtemp(dir.data()) != nullptr);
    REQUIRE(write_file_atomic(dir + "/root.pem", root.certificate, 0600));
    REQUIRE(write_file_atomic(dir + "/cert.pem", theirs.certificate, 0600));
    REQUIRE(write_file_atomic(dir + "/key.pem", theirs.private_key, 0600));
  }
  ~Files() {
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
  }
  std::vector<std::string> arguments(const std::string& command, std::uint16_t port) const {
    std::vector<std::string> out{command,
                                 "-tls1_3",
                                 "-quiet",
                                 "-alpn",
                                 "h2",
                                 "-cert",
                                 dir + "/cert.pem",
                                 "-key",
                                 dir + "/key.pem",
                                 "-CAfile",
                                 dir + "/root.pem",
                                 "-verify_return_error"};
    const std::string where = "127.0.0.1:" + std::to_string(port);
    const bool client = command == "s_client";
    out.insert(out.end(), {client ? "-connect" : "-accept", where});
    if (!client) out.insert(out.end(), {"-Verify", "2", "-naccept", "1"});
    return out;
  }
};

}  // namespace

TEST_CASE("openssl s_client talks to our server, both ways, and ends in order") {
  const Files files;
  sockaddr_in address{};
  const UniqueFd listener = loopback_socket(address);
  REQUIRE(::listen(listener.get(), 1) == 0);
  Openssl client(files.arguments("s_client", ntohs(address.sin_port)));
  pollfd wait{listener.get(), POLLIN, 0};
  REQUIRE(::poll(&wait, 1, kPatienceMs) == 1);
  const UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  auto session = tls::Session::server(context(Role::kServer, files.ours, files.root.certificate));
  std::string got;
  client.write("from openssl\n");
  pump(*session, fd.get(), got, [&] { return got == "from openssl\n"; });
  CHECK(session->peer()->identity == kDb);
  REQUIRE(session->encrypt(bytes("from culvert\n")));
  session->close_notify();
  pump(*session, fd.get(), got, [] { return true; });
  CHECK(client.prints("from culvert\n"));
}

TEST_CASE("our client talks to openssl s_server, both ways") {
  const Files files;
  sockaddr_in address{};
  {
    const UniqueFd finds_a_free_port = loopback_socket(address);
  }
  Openssl server(files.arguments("s_server", ntohs(address.sin_port)));
  UniqueFd fd;
  for (int attempt = 0; attempt < kPatienceMs / 20; ++attempt) {  // until it listens
    fd = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) break;
    fd.reset();
    ::poll(nullptr, 0, 20);
  }
  REQUIRE(fd.valid());
  auto session = tls::Session::client(context(Role::kClient, files.ours, files.root.certificate),
                                      {.identities = {kDb}});
  std::string got;
  pump(*session, fd.get(), got, [&] { return session->progress() == tls::Progress::kOpen; });
  REQUIRE(session->encrypt(bytes("from culvert\n")));
  pump(*session, fd.get(), got, [] { return true; });
  CHECK(server.prints("from culvert\n"));
  server.write("from openssl\n");
  pump(*session, fd.get(), got, [&] { return got == "from openssl\n"; });
}
