// The generated documents. GOLDEN_UPDATE=1 in the environment writes them anew instead of comparing them.

#include "isa/reference.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/isa/contract.h"

namespace chimera::test {
namespace {

/// True if the committed file is what is generated; or writes it.
bool up_to_date(const std::string& path, const std::string& generated) {
  const std::string whole_path = SOURCE_ROOT "/" + path;
  if (std::getenv("GOLDEN_UPDATE") != nullptr) std::ofstream{whole_path, std::ios::binary} << generated;
  std::ifstream file{whole_path, std::ios::binary};
  return std::string{std::istreambuf_iterator<char>{file}, {}} == generated;
}

}  // namespace

TEST_CASE("the committed reference is the generated one") {
  CHECK_MESSAGE(up_to_date("docs/isa.md", reference_markdown()), "docs/isa.md is stale: run with GOLDEN_UPDATE=1");
  CHECK_MESSAGE(up_to_date("docs/editors/chimera.vim", vim_syntax()),
                "docs/editors/chimera.vim is stale: run with GOLDEN_UPDATE=1");
}

TEST_CASE("the JSON reference has every encoding of the contract") {
  const auto json = nlohmann::json::parse(reference_json());
  std::set<std::pair<int, int>> encodings;
  for (const auto& instruction : json.at("instructions")) {
    for (const auto& encoding : instruction.at("encodings")) {
      encodings.emplace(encoding.at("opcode").get<int>(), encoding.value("second_opcode", -1));
    }
  }
  for (const ContractForm& form : contract_forms()) {
    if (form.operands == "*") continue;
    CHECK(encodings.contains({form.opcode, form.second}));
  }
  CHECK(json.at("statuses").size() == 23);
  CHECK(json.at("limits").at(2).at("value") == 33554432);
}

}  // namespace chimera::test
