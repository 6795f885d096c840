// Any text gives a schema or errors within it; a schema is the same after it was printed.

#include "types/schema.h"

#include "fuzz/check.h"

using namespace chimera::types;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto schema = parse_schema(text, "fuzz");
  if (!schema) {
    FUZZ_CHECK(!schema.error().empty());
    for (const chimera::Diagnostic& diagnostic : schema.error()) {
      FUZZ_CHECK(!diagnostic.message.empty() && !diagnostic.text().empty());
      FUZZ_CHECK(diagnostic.column >= 1 && diagnostic.column <= diagnostic.source_line.size() + 2);
    }
    return 0;
  }
  const std::string printed = print(*schema);
  const auto again = parse_schema(printed, "printed");
  FUZZ_CHECK(again && *again == *schema && print(*again) == printed);
  for (const Relation& relation : schema->relations) {
    const auto alone = parse_schema(print(relation), "relation");
    FUZZ_CHECK(alone && alone->relations.size() == 1 && alone->relations.front() == relation);
  }
  return 0;
}
