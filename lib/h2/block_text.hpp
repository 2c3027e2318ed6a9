// BlockText: the text of header blocks that nghttp2 was given views of, until they are packed: it
// copies each name and value apart otherwise, and lowers what is lower case already. Owned by a
// session; loop thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace culvert::h2 {

class BlockText {
 public:
  static constexpr std::size_t kPieceBytes = 4U << 10;

  /// Room for so many bytes, which stays where it is until clear().
  char* room(std::size_t bytes) {
    if (bytes > left_) add_piece(std::max(bytes, kPieceBytes));
    left_ -= bytes;
    return std::exchange(at_, at_ + bytes);
  }
  /// No view is needed any more. Keeps a piece for the next ones.
  void clear() {
    if (pieces_.empty()) return;
    if (pieces_.size() > 1 || first_bytes_ > kPieceBytes) return release();
    at_ = pieces_.front().get();
    left_ = first_bytes_;
  }
  /// As clear(), and keeps nothing.
  void release() {
    std::vector<std::unique_ptr<char[]>>().swap(pieces_);
    at_ = nullptr;
    left_ = 0;
  }
  bool empty() const { return pieces_.empty() || at_ == pieces_.front().get(); }

 private:
  void add_piece(std::size_t bytes) {
    if (pieces_.empty()) first_bytes_ = bytes;
    pieces_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
    at_ = pieces_.back().get();
    left_ = bytes;
  }

  std::vector<std::unique_ptr<char[]>> pieces_;
  std::size_t first_bytes_ = 0;  // of the first piece
  char* at_ = nullptr;
  std::size_t left_ = 0;  // of the last piece
};

}  // namespace culvert::h2
