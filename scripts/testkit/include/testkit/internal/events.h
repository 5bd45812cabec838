// What a test tells the program that runs it: one JSON object a line, on the descriptor that the
// environment variable RT_RESULT_FD names. Without the variable, nothing.
//
//   {"event":"start","test":"Suite.Name"}
//   {"event":"failure","test":…,"file":…,"line":…,"message":…}
//   {"event":"hang","test":…,"report":…}
//   {"event":"end","test":…,"ok":true}
//
// Thread safety: any thread. Each line is one write. A forked child sends nothing.
#pragma once

#include <string>
#include <string_view>

namespace testkit::internal {

// Takes the descriptor over: out of the environment, to a high number, closed on exec. So the code
// under test neither inherits it nor meets it where it opens files of its own.
void open_result_channel();

void send_start(const std::string& test);
void send_failure(const std::string& test, const std::string& file, int line,
                  const std::string& message);
void send_hang(const std::string& test, const std::string& report);
void send_end(const std::string& test, bool ok);

// `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

}  // namespace testkit::internal
