// Tasks that wait their turn, and how often each word has stood in one: a queue and a counter that stay, beside a table
// of what has been done. For programs that are linked with the installed library.
//
//     g++ -std=c++2b collections.cpp $(pkg-config --cflags --libs chimera-tables) -o collections
//     ./collections PLACE add "water the plants"
//     ./collections PLACE next            # takes the first task, and notes it as done
//     ./collections PLACE words           # the words of all tasks that were ever added
//     ./collections PLACE done 'at > "2026-01-01"'
//
// PLACE is a file (made if there is none) or the address of a server, as unix:PATH.
#include <chimera-tables.hpp>
#include <chrono>
#include <cstdio>
#include <sstream>

using namespace chimera::tables;
using chimera::types::Row;
using chimera::types::Value;

constexpr const char* done_schema = "relation done = struct { at: datetime, task: string }";

static Result<> add(Link& link, const std::string& task) {
  auto words = Counter<std::string>::open(link, "office/main/words");
  auto tasks = Queue<std::string>::open(link, "office/main/tasks");
  if (!words || !tasks) return std::unexpected(!words ? words.error() : tasks.error());
  std::istringstream text(task);
  for (std::string word; text >> word;) {
    if (auto counted = words->add(word); !counted) return std::unexpected(counted.error());
  }
  return tasks->push(task);
}

static Result<> next(Link& link) {
  auto tasks = Queue<std::string>::open(link, "office/main/tasks");
  if (!tasks) return std::unexpected(tasks.error());
  auto task = tasks->pop();  // by nobody else, however many ask at the same time
  if (!task || !*task) return task ? Result<>() : std::unexpected(task.error());
  std::puts((*task)->c_str());
  const auto schema = chimera::types::parse_schema(done_schema, "done");
  const auto created = Catalogue(link).create_table("office/main/done", schema->relations[0]);
  if (!created && created.error().status != chimera::Status::exists) return created;
  auto done = Table::open(link, "office/main/done");
  if (!done) return std::unexpected(done.error());
  const std::chrono::nanoseconds now = std::chrono::system_clock::now().time_since_epoch();
  return done->insert({Row{Value::datetime(now.count()), Value::string(**task)}});
}

static Result<> show_words(Link& link) {
  auto words = Counter<std::string>::open(link, "office/main/words");
  if (!words) return std::unexpected(words.error());
  return words->for_each([](const std::string& word, std::int64_t times) {
    return std::printf("%s %lld\n", word.c_str(), static_cast<long long>(times)) > 0;
  });
}

static Result<> show_done(Link& link, const std::string& condition) {
  auto done = Table::open(link, "office/main/done");
  if (!done) return std::unexpected(done.error());
  auto scan = done->scan({.columns = {"task"}, .where = condition});
  if (!scan) return std::unexpected(scan.error());
  for (std::vector<Row> rows;;) {
    const auto more = scan->next(rows);
    if (!more || !*more) return more ? Result<>() : std::unexpected(more.error());
    for (const Row& row : rows) std::puts(row[0].as_bytes().c_str());
  }
}

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments, arguments + count);
  const std::string what = count > 2 ? words[2] : "";
  const bool is_known =
      (count == 3 && (what == "next" || what == "words")) || (count == 4 && (what == "add" || what == "done"));
  if (!is_known) return std::fputs("usage: collections PLACE add TASK | next | words | done CONDITION\n", stderr), 2;
  auto link = chimera::links::open_link(words[1], {.make_bytes = 64 << 20});
  Result<> outcome = link ? Result<>() : std::unexpected(link.error());
  if (link && what == "add") outcome = add(**link, words[3]);
  if (link && what == "next") outcome = next(**link);
  if (link && what == "words") outcome = show_words(**link);
  if (link && what == "done") outcome = show_done(**link, words[3]);
  if (!outcome) std::fprintf(stderr, "collections: %s\n", outcome.error().words.c_str());
  return outcome ? 0 : 1;
}
