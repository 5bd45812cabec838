#include "testkit/internal/clip.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace testkit::internal {
namespace {

constexpr std::size_t kMostCharacters = 100;
constexpr std::size_t kMostLinesOfADiff = 7;  // With the one that says where.

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// How many bytes of `text`, which is not empty, stand for its first character: an escape, a
// sequence of UTF-8, or one.
std::size_t length_of_first(std::string_view text) {
  std::size_t size = 1;
  if (text[0] == '\\' && text.size() > 1) {
    size = 2;
    if (text[1] != 'x') return size;
    while (size < text.size() && is_hex(text[size])) ++size;
    // GoogleTest writes "\x1" "2" where "\x12" would be another character.
    if (text.substr(size, 3) == "\" \"") size += 3;
    return size;
  }
  while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) ++size;
  return size;
}

// The characters from the quote at the beginning of `text` to the one that closes it. `size`
// becomes how many bytes both quotes and all between them have; 0 if none closes it.
std::vector<std::string_view> quoted(std::string_view text, std::size_t& size) {
  std::vector<std::string_view> characters;
  size = 0;
  for (std::size_t at = 1; at < text.size();) {
    if (text[at] == '"') {
      size = at + 1;
      return characters;
    }
    const std::size_t length = length_of_first(text.substr(at));
    characters.push_back(text.substr(at, length));
    at += length;
  }
  return {};
}

class Clipper {
 public:
  // A line with its long strings cut.
  std::string line(std::string_view text) {
    if (text.size() <= kMostCharacters) return std::string(text);
    std::string out;
    while (!text.empty()) {
      std::size_t size = 0;
      std::vector<std::string_view> characters;
      if (text[0] == '"') characters = quoted(text, size);
      if (size == 0) {
        out += text[0];
        text.remove_prefix(1);
      } else {
        out += cut(text.substr(0, size), characters);
        text.remove_prefix(size);
      }
    }
    return out;
  }

  // Where the first two long strings begin to differ; "" if there are no two, or it can be seen.
  std::string difference() const {
    if (long_.size() != 2) return "";
    const std::vector<std::string>& a = long_[0];
    const std::vector<std::string>& b = long_[1];
    const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    const auto same = static_cast<std::size_t>(in_a - a.begin());
    if (same < kMostCharacters || (in_a == a.end() && in_b == b.end())) return "";
    return "The first " + std::to_string(same) + " characters of both are the same.\n";
  }

 private:
  std::string cut(std::string_view whole, const std::vector<std::string_view>& characters) {
    if (characters.size() <= kMostCharacters) return std::string(whole);
    std::string out = "\"";
    for (std::size_t i = 0; i < kMostCharacters; ++i) out += characters[i];
    long_.emplace_back(characters.begin(), characters.end());
    return out + "…\" (" + std::to_string(characters.size()) + " characters)";
  }

  std::vector<std::vector<std::string>> long_;
};

std::string line_of_a_diff(std::string_view text) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < kMostCharacters && size < text.size(); ++i) {
    size += length_of_first(text.substr(size));
  }
  if (size == text.size()) return std::string(text);
  return std::string(text.substr(0, size)) + "…";
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

bool is_of_a_diff(std::string_view line) {
  return !line.empty() && (line[0] == '@' || line[0] == ' ' || line[0] == '+' || line[0] == '-');
}

}  // namespace

std::string clip(std::string_view message) {
  const bool ends_a_line = !message.empty() && message.back() == '\n';
  Clipper clipper;
  std::string out;
  while (!message.empty()) {
    const std::string_view line = take_line(message);
    out += clipper.line(line) + "\n";
    if (line != "With diff:") continue;
    std::size_t lines = 0;
    for (std::string_view rest = message; !rest.empty() && is_of_a_diff(take_line(rest));
         message = rest, ++lines) {
      std::string_view copy = message;
      if (lines < kMostLinesOfADiff) out += line_of_a_diff(take_line(copy)) + "\n";
    }
    if (lines > kMostLinesOfADiff) {
      out += "  … " + std::to_string(lines - kMostLinesOfADiff) + " lines of it are left out …\n";
    }
  }
  out += clipper.difference();
  if (!ends_a_line && !out.empty()) out.pop_back();
  return out;
}

}  // namespace testkit::internal
