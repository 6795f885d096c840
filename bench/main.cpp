// bench_subject NAME [ARGUMENT=VALUE…]: one of the things that run.py measures.

#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <map>
#include <string>

#include "bench/subject.h"

namespace {

using namespace chimera::bench;

const std::map<std::string, Maker> subjects{
    {"byte_reads", make_byte_reads},
    {"implied_byte_reads", make_implied_byte_reads},
    {"block_reads", make_block_reads},
    {"switch_loop", make_switch_loop},
    {"byte_scan", make_byte_scan},
    {"random_copy", make_random_copy},
    {"client", make_client},
    {"random_reads", make_random_reads},
    {"random_writes", make_random_writes},
    {"sequential_reads", make_sequential_reads},
    {"sequential_writes", make_sequential_writes},
    {"commits", make_commits},
    {"commit_latency", make_commit_latency},
    {"sqlite_upserts", make_sqlite_upserts},
    {"lmdb_puts", make_lmdb_puts},
    {"table_inserts", make_table_inserts},
    {"table_gets", make_table_gets},
    {"table_ranges", make_table_ranges},
    {"table_sums", make_table_sums},
    {"table_space", make_table_space},
    {"duckdb_sums", make_duckdb_sums},
    {"sqlite_inserts", make_sqlite_inserts},
    {"sqlite_gets", make_sqlite_gets},
    {"sqlite_ranges", make_sqlite_ranges},
    {"sqlite_sums", make_sqlite_sums},
    {"sqlite_space", make_sqlite_space},
    {"opening", make_opening},
    {"fill_device", fill_device},
    {"fill_journal", fill_journal},
};

void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** words) {
  const auto found = count < 2 ? subjects.end() : subjects.find(words[1]);
  if (found == subjects.end()) fail("usage: bench_subject NAME [ARGUMENT=VALUE…]; run.py knows the names");
  const auto subject = found->second(Arguments(count - 2, words + 2));
  say("ready");
  std::string line;
  while (subject != nullptr && std::getline(std::cin, line)) say(fmt::format("{:.9g}", subject->sample()));
  return 0;
}
