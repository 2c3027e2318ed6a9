// Many short TCP connections and their server, for the labs: compiled by the tests that need the
// rate.
//
// flood serve PORT                    dual-stack echo; counts on standard output as JSON when they
// change flood run PORT RATE SECONDS IP...   opens RATE connections a second to the addresses in
// turn, sends a
//                                     line on each, reads it back, closes. SIGTERM ends it early.
//
// `run` prints {"t_ms","ok","failed","open"} every 100 ms, and at the end {"done":true, "rate",
// "slowest_ms", "errors":{"connect ECONNREFUSED":N,...}}. One thread, epoll; a connection is told
// by its descriptor.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

enum { kEvents = 256, kLine = 32, kTickMs = 100, kTimeoutMs = 10000 };

struct connection {
  long started_ms;
  int open, connected, got;
};

static struct connection connections[kFdsMax];
static long ok, failed, opened, slowest_ms;
static volatile sig_atomic_t ended;

static void end(int signal) {
  ended = signal;
}

static void watch(int epoll, int op, int fd, unsigned events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  if (epoll_ctl(epoll, op, fd, &event) != 0) die("epoll_ctl");
}

static int listen_on(int port) {
  const int off = 0, on = 1;
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr*)&address, sizeof address) != 0) die("bind");
  if (listen(fd, 4096) != 0) die("listen");
  return fd;
}

static int serve(int port) {
  long accepted = 0, bytes = 0, cut = 0, shown = -1;
  const int epoll = epoll_create1(EPOLL_CLOEXEC), listener = listen_on(port);
  watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN);
  while (!ended) {
    struct epoll_event events[kEvents];
    const int count = epoll_wait(epoll, events, kEvents, kTickMs);
    for (int i = 0; i < count; i++) {
      const int fd = events[i].data.fd;
      if (fd == listener) {
        int made;
        while ((made = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
          accepted++;
          watch(epoll, EPOLL_CTL_ADD, made, EPOLLIN);
        }
        continue;
      }
      char data[4096];
      const ssize_t n = read(fd, data, sizeof data);
      if (n > 0) bytes += n;
      if (n > 0 && write(fd, data, n) == n) continue;
      if (n < 0) cut++;
      close(fd);
    }
    if (count < kEvents && shown != accepted + bytes + cut) {
      shown = accepted + bytes + cut;
      printf("{\"accepted\":%ld,\"bytes\":%ld,\"cut\":%ld}\n", accepted, bytes, cut);
      fflush(stdout);
    }
  }
  return 0;
}

static void count_error(const char* phase, int error) {
  failed++;
  note_error(phase, error ? strerrorname_np(error) : "EOF");
}

static void finish(int fd) {
  connections[fd].open = 0;
  opened--;
  close(fd);
}

static void open_one(int epoll, const char* ip, int port) {
  int error = 0;
  const int fd = begin_connect(ip, port, &error);
  connections[fd] = (struct connection){.started_ms = now_ms(), .open = 1};
  opened++;
  if (error != 0) {
    count_error("connect", error);
    return finish(fd);
  }
  watch(epoll, EPOLL_CTL_ADD, fd, EPOLLOUT);
}

static void advance(int epoll, int fd) {
  struct connection* c = &connections[fd];
  char line[kLine];
  if (!c->connected) {
    const int error = connect_error(fd);
    if (error != 0) return count_error("connect", error), finish(fd);
    memset(line, 'f', sizeof line);
    if (write(fd, line, sizeof line) != sizeof line) return count_error("write", errno), finish(fd);
    c->connected = 1;
    return watch(epoll, EPOLL_CTL_MOD, fd, EPOLLIN);
  }
  const ssize_t n = read(fd, line, sizeof line);
  if (n <= 0) return count_error("read", n < 0 ? errno : 0), finish(fd);
  c->got += n;
  if (c->got < kLine) return;
  ok++;
  const long took = now_ms() - c->started_ms;
  if (took > slowest_ms) slowest_ms = took;
  finish(fd);
}

static void time_out(long now) {
  for (int fd = 0; opened > 0 && fd < kFdsMax; fd++)
    if (connections[fd].open && now - connections[fd].started_ms > kTimeoutMs)
      count_error(connections[fd].connected ? "read" : "connect", ETIMEDOUT), finish(fd);
}

static void show_result(long took_ms) {
  printf("{\"done\":true,\"ok\":%ld,\"failed\":%ld,\"rate\":%ld,\"slowest_ms\":%ld,\"errors\":", ok,
         failed, (ok + failed) * 1000 / (took_ms > 0 ? took_ms : 1), slowest_ms);
  print_errors();
  printf("}\n");
}

static int run(int port, long rate, double seconds, char** ips, int ip_count) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  const long start = now_ms(), stop = start + (long)(seconds * 1000);
  long started = 0, shown = start, now, stopped = 0;
  while ((now = now_ms()) < stop || opened > 0) {
    if (!stopped && (ended || now >= stop)) stopped = now;
    if (stopped && opened == 0) break;
    for (; !stopped && started < (now - start + 1) * rate / 1000; started++)
      open_one(epoll, ips[started % ip_count], port);
    struct epoll_event events[kEvents];
    const int count = epoll_wait(epoll, events, kEvents, 1);
    for (int i = 0; i < count; i++)
      if (connections[events[i].data.fd].open) advance(epoll, events[i].data.fd);
    if (now - shown < kTickMs) continue;
    shown = now;
    time_out(now);
    printf("{\"t_ms\":%ld,\"ok\":%ld,\"failed\":%ld,\"open\":%ld}\n", now - start, ok, failed,
           opened);
    fflush(stdout);
  }
  show_result(now_ms() - start);
  return failed == 0 ? 0 : 1;
}

int main(int argc, char** argv) {
  raise_descriptor_limit();
  signal(SIGTERM, end);
  signal(SIGPIPE, SIG_IGN);
  if (argc == 3 && strcmp(argv[1], "serve") == 0) return serve(atoi(argv[2]));
  if (argc > 5 && strcmp(argv[1], "run") == 0)
    return run(atoi(argv[2]), atol(argv[3]), atof(argv[4]), argv + 5, argc - 5);
  fprintf(stderr, "usage: flood serve PORT | flood run PORT RATE SECONDS IP...\n");
  return 2;
}
