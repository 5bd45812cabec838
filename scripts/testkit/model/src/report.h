// How an interleaving is shown: as a table for people, and as a file for the visualizer.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "testkit/model/model.h"

namespace testkit::model::detail {

// "parker.h:52"; "" for a place that is not known.
std::string place_text(Place place);

// What the line at `place` calls the object on which it does something: the identifier in front of
// `.load(`, or inside of `Lock lock(…)`. "" if the file is not there, or the line not so plain.
std::string name_in_source(Kind kind, Place place);

// The rows with a column for each thread, in lines of at most 76 characters. Of a table of more
// than `most_lines`, the first and the last are kept.
std::string table_of(const std::vector<Row>& rows, std::size_t most_lines);

// Writes the rows as Chrome Trace Event JSON, one event a line, a microsecond for each step, as
// rt/trace/trace_writer.h does. False: the file could not be written.
bool write_trace(const std::string& path, const std::vector<Row>& rows);

}  // namespace testkit::model::detail
