// The course's echo server: a thread for each connection.
//
//   echo [PORT]         serves on 127.0.0.1 until Ctrl-C; without PORT the kernel chooses one
//   echo --self-test    serves a few clients of its own, says what they got, and ends
//
// It is in every module, each time with one part swapped. Here it is exercise 0.1. The program
// around that part is in demo/include/demo/.
#include "demo/echo_program.h"
#include "rt/exercise/blocking_echo.h"

int main(int argc, char** argv) {
  demo::DescriptorServer server(rt::serve_blocking);
  return demo::run_echo(argc, argv, "echo: one thread for each connection", server);
}
