#include "cli/table_part.h"

#include "isa/builder.h"
#include "tables/names.h"
#include "tables/table_header.h"

namespace chimera::cli {
namespace {

/// `NAMESPACE/DATABASE/TABLE` at the front of a name, whatever follows; empty if there is none.
std::string table_in_front(const std::string& device) {
  std::size_t end = device.find('/');
  if (end != std::string::npos) end = device.find('/', end + 1);
  if (end != std::string::npos) end = device.find_first_of("/:", end + 1);
  const std::string front = device.substr(0, end);
  return tables::parse_table_name(front) ? front : "";
}

}  // namespace

std::expected<std::string, std::string> table_of(Endpoint& endpoint, const std::string& device) {
  const std::string table = table_in_front(device);
  if (table.empty()) return "";
  const auto header =
      ask_all(endpoint, Program().open_device(table).read_bytes(implied, 0, tables::TableHeader::size).close_device());
  if (header) return tables::TableHeader::parse(header->at(1)) ? table : "";
  // Whatever else has that name, or had it, is no table.
  if (header.error().status != Status::io_error) return "";
  return std::unexpected(header.error().words);
}

}  // namespace chimera::cli
