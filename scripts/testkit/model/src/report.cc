#include "report.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <map>
#include <string_view>
#include <utility>

#include "engine.h"

namespace testkit::model::detail {
namespace {

constexpr std::size_t kWidth = 76;
constexpr std::size_t kMostPlace = 27;

// ---- names, from the source ----

std::string line_of(Place place) {
  static std::map<std::string, std::vector<std::string>>* const files =
      new std::map<std::string, std::vector<std::string>>;
  const auto [file, is_new] = files->try_emplace(place.file_name());
  if (is_new) {
    std::ifstream in(place.file_name());
    for (std::string line; std::getline(in, line);) file->second.push_back(line);
  }
  const std::size_t number = place.line();
  return number == 0 || number > file->second.size() ? "" : file->second[number - 1];
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// The identifier that ends at `end`: "state_" of "shared->state_", "slot" of "slot[i]".
std::string word_before(std::string_view line, std::size_t end) {
  while (end > 0 && (line[end - 1] == ')' || line[end - 1] == ']')) {
    const char close = line[end - 1];
    const char open = close == ')' ? '(' : '[';
    int depth = 0;
    while (end > 0) {
      --end;
      if (line[end] == close) ++depth;
      if (line[end] == open && --depth == 0) break;
    }
  }
  std::size_t begin = end;
  while (begin > 0 && is_word(line[begin - 1])) --begin;
  return std::string(line.substr(begin, end - begin));
}

// The word in front of ".method" or "->method", for the first of the methods that is there.
std::string word_before_method(const std::string& line,
                               const std::vector<std::string_view>& methods) {
  for (const std::string_view method : methods) {
    for (std::size_t at = line.find(method); at != std::string::npos;
         at = line.find(method, at + 1)) {
      if (at > 0 && line[at - 1] == '.') return word_before(line, at - 1);
      if (at > 1 && line.compare(at - 2, 2, "->") == 0) return word_before(line, at - 2);
    }
  }
  return "";
}

// The last word inside of the parentheses that follow "Lock": "mutex_" of "Lock lock(s->mutex_)".
std::string word_locked(const std::string& line) {
  const std::size_t lock = line.find("ock");
  const std::size_t open = lock == std::string::npos ? lock : line.find_first_of("({", lock);
  const std::size_t close = open == std::string::npos ? open : line.find_first_of("),}", open);
  return close == std::string::npos ? "" : word_before(line, close);
}

// ---- the table ----

// `text` in lines of at most `room`, broken at spaces, the second and later ones indented. A word
// that is longer than a line is broken too.
std::vector<std::string> wrapped(const std::string& text, std::size_t room) {
  std::vector<std::string> lines;
  std::string line;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t space = std::min(text.find(' ', at), text.size());
    std::string word = text.substr(at, space - at);
    at = space + 1;
    if (!line.empty() && line.size() + 1 + word.size() > room) {
      lines.push_back(std::exchange(line, " "));
    }
    line += (line.empty() ? "" : " ") + word;
    while (line.size() > room) {
      lines.push_back(line.substr(0, room));
      line = "  " + line.substr(room);
    }
  }
  lines.push_back(line);
  return lines;
}

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string json_escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return result;
}

std::string count_of_lines(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " line" : " lines");
}

}  // namespace

std::string place_text(Place place) {
  const std::string_view path = place.file_name();
  // A call from inside the standard library, such as that of emplace_back(), tells nobody anything.
  if (place.line() == 0 || path.substr(0, 5) == "/usr/") return "";
  return std::string(path.substr(path.rfind('/') + 1)) + ":" + std::to_string(place.line());
}

std::string name_in_source(Kind kind, Place place) {
  const std::string line = line_of(place);
  switch (kind) {
    case Kind::kAtomic:
      return word_before_method(line,
                                {"load(", "store(", "exchange(", "compare_exchange_", "fetch_"});
    case Kind::kCell:
      return word_before_method(line, {"read(", "write("});
    case Kind::kCondVar:
      return word_before_method(line, {"wait", "notify_"});
    case Kind::kMutex:
      if (std::string name = word_before_method(line, {"lock(", "try_lock(", "unlock("});
          !name.empty()) {
        return name;
      }
      return word_locked(line);
    case Kind::kSignal:
    case Kind::kTracked:
      break;
  }
  return "";
}

std::string table_of(const std::vector<Row>& rows, std::size_t most_lines) {
  if (rows.empty()) return "";
  std::size_t place_width = 5;
  int threads = 2;
  for (const Row& row : rows) {
    place_width = std::max(place_width, place_text(row.where).size());
    threads = std::max(threads, row.thread + 1);
  }
  place_width = std::min(place_width, kMostPlace);
  // A step begins in the column of its thread and may use what is right of it: nobody else's step
  // is in that row.
  constexpr std::array<std::size_t, 8> kColumns = {0, 0, 21, 13, 9, 7, 6, 5};
  const std::size_t column = kColumns[static_cast<std::size_t>(threads)];
  const std::size_t first = 5 + place_width + 2;

  std::string head = padded(padded("step", 5) + "where", first);
  for (int i = 0; i < threads; ++i) {
    head = padded(head, first + column * static_cast<std::size_t>(i)) + Engine::letter(i);
  }
  std::vector<std::string> lines;
  std::size_t set_up = 0;  // Lines, until the second thread starts.
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (set_up == 0 && rows[i].text.substr(0, 7) == "starts ") set_up = lines.size();
    const std::size_t begin = first + column * static_cast<std::size_t>(rows[i].thread);
    std::string place = place_text(rows[i].where);
    if (place.size() > kMostPlace) place = "~" + place.substr(place.size() - kMostPlace + 1);
    const std::string number = std::to_string(i + 1);
    std::string margin =
        padded(std::string(4 - std::min<std::size_t>(4, number.size()), ' ') + number + " " + place,
               begin);
    for (const std::string& text : wrapped(rows[i].text, kWidth - begin)) {
      lines.push_back(margin + text);
      margin.assign(begin, ' ');
    }
  }
  std::string table = head + "\n";
  if (lines.size() > most_lines && set_up > 0) {
    table += "     ... " + count_of_lines(set_up) + " of set-up ...\n";
    lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(set_up));
  }
  const std::size_t last = most_lines * 4 / 5;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines.size() > most_lines && i == most_lines - last) {
      const std::size_t left_out = lines.size() - most_lines;
      table += "     ... " + count_of_lines(left_out) + " ...\n";
      i += left_out;
    }
    table += lines[i] + "\n";
  }
  return table;
}

bool write_trace(const std::string& path, const std::vector<Row>& rows) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  std::fputs(
      "[\n"
      R"({"ph":"M","pid":1,"tid":0,"ts":0,"name":"process_name","args":{"name":"model checker",)"
      R"("schema":"coro-trace/1","clock":"steps","seed":"0","dropped":0}})",
      file);
  int threads = 0;
  for (const Row& row : rows) threads = std::max(threads, row.thread + 1);
  for (int i = 0; i < threads; ++i) {
    std::fprintf(file,
                 ",\n"
                 R"({"ph":"M","pid":1,"tid":%d,"ts":0,"name":"thread_name","args":{"name":"%s"}})",
                 i + 1, ("thread " + Engine::letter(i)).c_str());
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::fprintf(file,
                 ",\n"
                 R"({"ph":"X","pid":1,"tid":%d,"ts":%zu.000,"dur":1.000,"name":"%s","cat":"model",)"
                 R"("args":{"loc":"%s","seq":%zu}})",
                 rows[i].thread + 1, i, json_escaped(rows[i].text).c_str(),
                 json_escaped(place_text(rows[i].where)).c_str(), i + 1);
  }
  std::fputs("\n]\n", file);
  const bool failed = std::ferror(file) != 0;
  return std::fclose(file) == 0 && !failed;
}

// ---- what the engine says of its objects ----

std::string Engine::letter(int thread) { return std::string(1, static_cast<char>('A' + thread)); }

std::string Engine::at_place(Place place) {
  const std::string text = place_text(place);
  return text.empty() ? "" : " at " + text;
}

void Engine::add_row(int thread, Place where, std::string text) {
  rows_.push_back({thread, where, std::move(text)});
  testkit_model_step(static_cast<int>(rows_.size()));
}

// A name for the table. It is looked for in the source where the object is used first, and a second
// object of that name gets a number.
const std::string& Engine::name(Record& record, Place place) {
  if (!record.name.empty()) return record.name;
  constexpr const char* kKinds[] = {"atomic", "cell", "mutex", "condvar", "waker", "object"};
  std::string found = name_in_source(record.kind, place);
  if (found.empty()) found = name_in_source(record.kind, record.made);
  if (found.empty()) found = kKinds[static_cast<std::size_t>(record.kind)];
  int same = 1;
  for (std::size_t i = 0; i < used_records_; ++i) {
    const std::string& other = records_[i].name;
    same += other == found || other.compare(0, found.size() + 1, found + "#") == 0;
  }
  record.name = same == 1 ? found : found + "#" + std::to_string(same);
  return record.name;
}

// "the mutex lock_, made by B at x.h:3"
std::string Engine::description(Record& record) {
  constexpr const char* kKinds[] = {
      "an atomic", "a cell", "a mutex", "a condition variable", "a waker of block_on", "an object"};
  std::string text = kKinds[static_cast<std::size_t>(record.kind)];
  if (!record.name.empty()) text += " (" + record.name + ")";
  return text + ", made by " + letter(record.maker) + at_place(record.made);
}

std::string Engine::value_text(const Record& record, std::uint64_t value) {
  const int unused_bits = 64 - 8 * record.shape.bytes;
  switch (record.shape.form) {
    case Form::kBool:
      return value != 0 ? "true" : "false";
    case Form::kSigned:
      return std::to_string(static_cast<std::int64_t>(value << unused_bits) >> unused_bits);
    case Form::kPointer: {
      if (value == 0) return "null";
      auto at = std::find(pointers_.begin(), pointers_.end(), value);
      if (at == pointers_.end()) at = pointers_.insert(at, value);
      return "p" + std::to_string(at - pointers_.begin() + 1);
    }
    case Form::kUnsigned:
      break;
  }
  if (value < 100'000) return std::to_string(value);
  // Two counts in one word are told apart.
  const std::uint64_t high = value >> 32;
  const std::uint64_t low = value & 0xFFFFFFFF;
  if (high > 0 && high < 100'000 && low < 100'000) {
    return std::to_string(high) + " << 32 | " + std::to_string(low);
  }
  char hex[24];
  std::snprintf(hex, sizeof hex, "0x%llx", static_cast<unsigned long long>(value));
  return hex;
}

// Of a stale read: what it did not see.
std::string Engine::missed(Record& record, const Store& store) {
  const Store& last = record.store(record.stores - 1);
  if (&store == &last) return "";
  std::string text = ", not the newer " + value_text(record, last.value);
  if (last.row > 0) text += " of step " + std::to_string(last.row);
  return text;
}

}  // namespace testkit::model::detail

// For debuggers: `break testkit_model_step if step == 7`.
extern "C" __attribute__((noinline)) void testkit_model_step(int step) {
  asm volatile("" : : "r"(step) : "memory");
}
