// Shared: what many records say alike, held once. An immutable value, shared by copying; copies may
// be read and dropped on any thread.
#pragma once

#include <memory>
#include <utility>

namespace culvert::telemetry {

template <class T>
class Shared {
 public:
  /// T's default value, without heap.
  Shared() = default;
  Shared(T value) : value_(std::make_shared<const T>(std::move(value))) {}

  const T& operator*() const {
    static const T kNothing{};
    return value_ == nullptr ? kNothing : *value_;
  }
  const T* operator->() const { return &**this; }

 private:
  std::shared_ptr<const T> value_;
};

}  // namespace culvert::telemetry
