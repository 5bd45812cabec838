// The members of std::string, which pch.h tells the other sources not to compile.
#include <string>

template class std::basic_string<char>;
