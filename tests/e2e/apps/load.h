// What the load programs share: time, connections that begin, and counts of errors. C, one thread.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { kErrors = 16, kFdsMax = 65536 };

static struct {
  const char *phase, *name;
  long count;
} errors[kErrors];

static inline long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline void die(const char* what) {
  perror(what);
  exit(2);
}

// As many descriptors as this process may have.
static inline void raise_descriptor_limit(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// A socket that connects; *error is 0, or why it does not.
static inline int begin_connect(const char* ip, int port, int* error) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  const int is_v4 = inet_pton(AF_INET, ip, &v4.sin_addr) == 1;
  if (!is_v4 && inet_pton(AF_INET6, ip, &v6.sin6_addr) != 1) die(ip);
  const int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || fd >= kFdsMax) die("socket");
  const struct sockaddr* to = is_v4 ? (struct sockaddr*)&v4 : (struct sockaddr*)&v6;
  const int begun = connect(fd, to, is_v4 ? sizeof v4 : sizeof v6) == 0 || errno == EINPROGRESS;
  *error = begun ? 0 : errno;
  return fd;
}

// What became of a connection that was begun: 0, or its error.
static inline int connect_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

static inline void note_error(const char* phase, const char* name) {
  for (int i = 0; i < kErrors; i++) {
    if (errors[i].count == 0) errors[i].phase = phase, errors[i].name = name;
    if (strcmp(errors[i].phase, phase) != 0 || strcmp(errors[i].name, name) != 0) continue;
    errors[i].count++;
    return;
  }
}

// {"connect ECONNREFUSED":3,...}
static inline void print_errors(void) {
  printf("{");
  for (int i = 0; i < kErrors && errors[i].count > 0; i++)
    printf("%s\"%s %s\":%ld", i ? "," : "", errors[i].phase, errors[i].name, errors[i].count);
  printf("}");
}
