#include "culvert/http/path.hpp"

#include <algorithm>
#include <array>

#include "characters.hpp"

namespace culvert::http {
namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

constexpr bool is_unreserved(char c) {
  return is_digit(c) || is_alpha(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

// What URLs do not have in a path (RFC 3986 section 3.3). '^' and '|' are not among them: browsers
// send them as they are.
bool must_be_escaped(char c) {
  return !is_visible(c) || std::string_view("\"<>`{}").contains(c);
}

// The byte that "%xx" at the front of `text` stands for, or -1.
int escaped_byte(std::string_view text) {
  if (text.size() < 3 || text[0] != '%') return -1;
  const int high = hex_value(text[1]);
  const int low = hex_value(text[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

constexpr auto kPlain = [] {
  std::array<bool, 256> table{};
  for (int byte = 0; byte < 128; ++byte) {
    const char c = static_cast<char>(byte);
    table[static_cast<std::size_t>(byte)] =
        is_unreserved(c) || std::string_view("/:@!$&'()*+,;=").contains(c);
  }
  return table;
}();

// Letters, digits, and "-./_", of which kPlain has all.
bool is_usual(std::string_view path) {
  return !any_word(path, [](std::uint64_t word) {
    const auto folded = word | each_byte('a' - 'A');
    const auto usual = has_between(folded, 'a' - 1, 'z' + 1) | has_between(word, '-' - 1, '9' + 1) |
                       has_between(word, '_' - 1, '_' + 1);
    return usual ^ kTopBits;
  });
}

// Nothing of it has another spelling: most paths, and then nothing is built.
bool is_normal(std::string_view path) {
  if (is_usual(path)) {
    for (auto slash = path.find('/'); slash != std::string_view::npos;) {
      const auto next = slash + 1;
      if (next < path.size() && (path[next] == '/' || path[next] == '.')) return false;
      slash = path.find('/', next);
    }
    return true;
  }
  char before = 0;
  for (const char c : path) {
    const bool plain = kPlain[static_cast<unsigned char>(c)];
    if (!plain || (before == '/' && (c == '/' || c == '.'))) return false;
    before = c;
  }
  return true;
}

std::string with_slashes_decoded(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  for (std::size_t at = 0; at < path.size(); ++at) {
    const int byte = escaped_byte(path.substr(at));
    if (byte == '/' || byte == '\\') {
      out += static_cast<char>(byte);
      at += 2;
    } else {
      out += path[at];
    }
  }
  return out;
}

// One byte a form: unreserved characters as themselves, the others as they came or escaped. A '%'
// that begins no escape stays, and so does an escaped digit that would make one of it: "%%32F" is
// not
// "%2F". nullopt for %00.
std::optional<std::string> with_one_spelling(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  std::size_t escape_like = 0;  // where the two characters behind a lone '%' end in `out`
  for (std::size_t at = 0; at < path.size(); ++at) {
    const char c = path[at];
    if (const int byte = escaped_byte(path.substr(at)); byte >= 0) {
      if (byte == 0) return std::nullopt;
      const char plain = static_cast<char>(byte);
      const bool makes_escape = out.size() < escape_like && hex_value(plain) >= 0;
      if (is_unreserved(plain) && !makes_escape) {
        out += plain;
      } else {
        out.append(path.substr(at, 3));
      }
      at += 2;
    } else if (c == '\\') {
      out += '/';
    } else if (must_be_escaped(c)) {
      const auto value = static_cast<unsigned char>(c);
      out.append({'%', kHexDigits[value / 16], kHexDigits[value % 16]});
    } else {
      out += c;
      if (c == '%') escape_like = out.size() + 2;
    }
  }
  return out;
}

// RFC 3986 section 5.2.4, for a path that starts with '/'.
std::string without_dot_segments(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  while (!path.empty()) {
    const auto end = std::min(path.find('/', 1), path.size());
    const auto segment = path.substr(0, end);  // with the slash before it
    path.remove_prefix(end);
    if (segment == "/.." && !out.empty()) out.erase(out.rfind('/'));
    if (segment != "/." && segment != "/..") {
      out.append(segment);
    } else if (path.empty()) {
      out += '/';
    }
  }
  return out;
}

void merge_slashes(std::string& path) {
  const auto again = std::ranges::unique(path, [](char a, char b) { return a == '/' && b == '/'; });
  path.erase(again.begin(), again.end());
}

}  // namespace

std::optional<std::string> normalized_path(std::string_view path, PathNormalization how) {
  std::string out(path);
  if (!normalize_path(out, how)) return std::nullopt;
  return out;
}

bool normalize_path(std::string& path, PathNormalization how) {
  if (how == PathNormalization::kNone || !path.starts_with('/')) return true;
  const auto query_at = std::min(path.find('?'), path.size());
  std::string decoded;
  std::string_view plain = std::string_view(path).substr(0, query_at);
  if (is_normal(plain)) return true;
  if (how == PathNormalization::kDecodeAndMergeSlashes) {
    decoded = with_slashes_decoded(plain);
    plain = decoded;
  }
  auto spelled = with_one_spelling(plain);
  if (!spelled) return false;
  std::string out = without_dot_segments(*spelled);
  if (how != PathNormalization::kBase) merge_slashes(out);
  path.replace(0, query_at, out);
  return true;
}

}  // namespace culvert::http
