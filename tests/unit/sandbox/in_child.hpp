// Runs a function in a child process, for what cannot be undone.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

namespace culvert::sandbox::testing {

/// The status of waitpid(2) for a child that returned `body()`.
template <class F>
int in_child(F body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

inline bool returned(int status, int code) {
  return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

}  // namespace culvert::sandbox::testing
