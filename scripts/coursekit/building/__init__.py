"""From files to programs: which copy of a file is built, by CMake, and what the compiler said."""
