// How the polls of a TestTask stand in the step log.
#include <exception>
#include <string>

#include "testkit/steps.h"

namespace testkit::internal {

void log_poll(const std::string& name, const std::string& answer) {
  step("task \"" + name + "\" polled: " + answer);
}

void log_throw(const std::string& name) {
  try {
    throw;
  } catch (const std::exception& e) {
    log_poll(name, std::string("it threw \"") + e.what() + "\"");
  } catch (...) {
    log_poll(name, "it threw something that is no std::exception");
  }
}

}  // namespace testkit::internal
