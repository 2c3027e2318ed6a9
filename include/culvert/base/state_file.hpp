// A file in which a daemon keeps what it must still know after a restart: a frame with a format
// number and a checksum around bytes that the daemon reads itself. A reader gets exactly what was
// written, or an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "culvert/base/error.hpp"

namespace culvert {

/// CRC-64/XZ: finds torn and damaged content; it is no protection from whoever may write the file.
std::uint64_t crc64(std::string_view bytes);

/// The frame: eight bytes of `kind`, the format number, the length, the checksum, the content.
std::string frame_state(std::string_view kind, std::uint32_t format, std::string_view content);
/// kInvalid: not a file of this kind, cut, longer than it says, or damaged; kProtocol:
/// of another format number.
Result<std::string_view> unframe_state(std::string_view kind, std::uint32_t format,
                                       std::string_view file);

/// Writes the frame beside `path`, syncs it, renames it over `path`, syncs the folder (mode 0600):
/// after a crash at any moment the file is the old one or the new one. Blocks for the disk.
Result<void> write_state_file(const std::string& path, std::string_view kind, std::uint32_t format,
                              std::string_view content);
/// Removes what writers of `path` that are no more left beside it.
void remove_unfinished_state_files(const std::string& path);
/// The content; kNotFound without a file, kLimit beyond `max_bytes`, else as unframe_state.
Result<std::string> read_state_file(const std::string& path, std::string_view kind,
                                    std::uint32_t format, std::size_t max_bytes);

/// Texts one after the other, each with its length.
void append_text(std::string& out, std::string_view text);
/// The next text of `rest`, which is moved past it; nullopt when it is cut.
std::optional<std::string_view> take_text(std::string_view& rest);

}  // namespace culvert
