// Long TCP connections under traffic, for the labs: compiled by the tests that need the number.
//
// steady PORT CONNECTIONS INTERVAL_MS IP...   opens them to the addresses in turn; on each sends a
//                                             line every INTERVAL_MS and reads it back, until
//                                             SIGTERM. The server is `flood serve`.
//
// Prints {"open","sent","echoed","failed","stall_ms"} every 200 ms, and at the end the same with
// "done":true, "slowest_ms" and "errors". stall_ms is the longest time of that period between a
// line's sending and its echo, also of lines that wait still. One thread, epoll; a connection is
// told by its descriptor.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

enum { kEvents = 512, kLine = 32, kTickMs = 200, kOpening = 200 };

struct connection {
  long due_ms, sent_ms; /* sent_ms 0: no line is on its way */
  unsigned sequence, got;
  int used, connected;
  char line[kLine];
};

static struct connection connections[kFdsMax];
static long open_now, opening, sent, echoed, failed, stall_ms, slowest_ms;
static volatile sig_atomic_t ended;

static void end(int signal) {
  ended = signal;
}

static void count_error(int fd, const char* phase, const char* name) {
  failed++;
  connections[fd].connected ? open_now-- : opening--;
  connections[fd].used = 0;
  close(fd);
  note_error(phase, name);
}

static void open_one(int epoll, const char* ip, int port) {
  int error = 0;
  const int fd = begin_connect(ip, port, &error);
  connections[fd] = (struct connection){.used = 1};
  opening++;
  if (error != 0) return count_error(fd, "connect", strerrorname_np(error));
  struct epoll_event event = {.events = EPOLLOUT, .data.fd = fd};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

static void send_line(int fd, long now, long interval) {
  struct connection* c = &connections[fd];
  snprintf(c->line, sizeof c->line, "%10d %10u", fd, c->sequence++);
  c->sent_ms = now;
  c->due_ms = now + interval;
  c->got = 0;
  if (write(fd, c->line, kLine) != kLine) return count_error(fd, "write", strerrorname_np(errno));
  sent++;
}

static void took(long ms) {
  if (ms > stall_ms) stall_ms = ms;
  if (ms > slowest_ms) slowest_ms = ms;
}

static void advance(int epoll, int fd, long interval) {
  struct connection* c = &connections[fd];
  if (!c->connected) {
    const int error = connect_error(fd);
    if (error != 0) return count_error(fd, "connect", strerrorname_np(error));
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) != 0) die("epoll_ctl");
    c->connected = 1;
    opening--;
    open_now++;
    return send_line(fd, now_ms(), interval);
  }
  char line[kLine];
  const ssize_t n = read(fd, line, sizeof line);
  if (n <= 0) return count_error(fd, "read", n < 0 ? strerrorname_np(errno) : "EOF");
  if (c->got + n > kLine || c->sent_ms == 0 || memcmp(line, c->line + c->got, n) != 0)
    return count_error(fd, "read", "other bytes");
  c->got += n;
  if (c->got < kLine) return;
  took(now_ms() - c->sent_ms);
  c->sent_ms = 0;
  echoed++;
}

static void show(int done) {
  printf("{\"open\":%ld,\"sent\":%ld,\"echoed\":%ld,\"failed\":%ld,\"stall_ms\":%ld", open_now,
         sent, echoed, failed, stall_ms);
  if (done) {
    printf(",\"done\":true,\"slowest_ms\":%ld,\"errors\":", slowest_ms);
    print_errors();
  }
  printf("}\n");
  fflush(stdout);
  stall_ms = 0;
}

/* Sends what is due; notes how long others wait. */
static void look_at_all(long now, long interval) {
  for (int fd = 0; fd < kFdsMax; fd++) {
    struct connection* c = &connections[fd];
    if (!c->used || !c->connected) continue;
    if (c->sent_ms != 0)
      took(now - c->sent_ms);
    else if (now >= c->due_ms)
      send_line(fd, now, interval);
  }
}

int main(int argc, char** argv) {
  if (argc < 5) return fprintf(stderr, "usage: steady PORT CONNECTIONS INTERVAL_MS IP...\n"), 2;
  const int port = atoi(argv[1]);
  const long count = atol(argv[2]), interval = atol(argv[3]);
  raise_descriptor_limit();
  signal(SIGTERM, end);
  signal(SIGINT, end);
  signal(SIGPIPE, SIG_IGN);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  long started = 0, shown = now_ms(), looked = shown;
  while (!ended) {
    for (; started < count && opening < kOpening; started++)
      open_one(epoll, argv[4 + started % (argc - 4)], port);
    struct epoll_event events[kEvents];
    const int ready = epoll_wait(epoll, events, kEvents, 5);
    for (int i = 0; i < ready; i++)
      if (connections[events[i].data.fd].used) advance(epoll, events[i].data.fd, interval);
    const long now = now_ms();
    if (now - looked >= 10) looked = now, look_at_all(now, interval);
    if (now - shown >= kTickMs) shown = now, show(0);
  }
  show(1);
  return 0;
}
