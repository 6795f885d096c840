#include "tests/isa/contract.h"

#include <set>
#include <sstream>

namespace chimera::test {
namespace {

// Opcode, name, operand letters ("-": none).
constexpr const char* first_table = R"(
03 read_byte DO
01 read_byte D
02 read_byte O
00 read_byte -
0B check_byte DOv
09 check_byte Dv
0A check_byte Ov
08 check_byte v
13 read_bytes DOc
11 read_bytes Dc
12 read_bytes Oc
10 read_bytes c
1B check_bytes DOb
19 check_bytes Db
1A check_bytes Ob
18 check_bytes b
20 read_block DO
21 read_block D
22 read_block O
24 read_block -
28 check_block DOB
29 check_block DB
2A check_block OB
2C check_block B
30 read_columns D
34 read_columns -
38 read_extents DOC
39 read_extents DC
3A read_extents OC
3C read_extents C
40 open_device n
48 list_devices pac
50 read_length D
54 read_length -
58 describe_device D
5C describe_device -
60 read_metadata DO
62 read_metadata O
68 read_metadata_bytes DOc
6A read_metadata_bytes Oc
70 create_device nt
71 create_device Dnt
72 create_device nto
73 create_device Dnto
78 clone_device Dn
7C clone_device n
80 write_byte DOv
81 write_byte Dv
82 write_byte Ov
84 write_byte v
88 swap_byte DOv
89 swap_byte Dv
8A swap_byte Ov
8C swap_byte v
90 write_bytes DOb
91 write_bytes Db
92 write_bytes Ob
94 write_bytes b
98 swap_bytes DOb
99 swap_bytes Db
9A swap_bytes Ob
9C swap_bytes b
A0 write_block DOB
A1 write_block DB
A2 write_block OB
A4 write_block B
A8 swap_block DOB
A9 swap_block DB
AA swap_block OB
AC swap_block B
B0 write_columns Dt
B4 write_columns t
B8 clear_extents DOC
B9 clear_extents DC
BA clear_extents OC
BC clear_extents C
C0 close_device D
C4 close_device -
C8 flush_device D
CC flush_device -
D0 write_length DO
D2 write_length O
D8 append_bytes Db
DC append_bytes b
E0 write_metadata DOv
E2 write_metadata Ov
E8 write_metadata_bytes DOb
EA write_metadata_bytes Ob
F0 delete_device D
F4 delete_device -
F8 begin -
F9 commit -
FA abort -
FB sync -
FC copy_bytes DOEPC
FD hello k
FE select_device D
FF select_offset O
)";

constexpr const char* extension_table = R"(
10 read_digest DOC
11 compare_devices DEOC
20 read_metadata_extents DOC
21 clear_metadata DOC
22 check_metadata_bytes DOb
40 rename_device Dn
41 protect_device Dv
42 roll_back_device DE
43 delete_device_by_force D
44 snapshot s
50 describe_store -
60 commit_with_token T
61 outcome_of_token T
)";

}  // namespace

std::vector<ContractForm> contract_forms() {
  std::vector<ContractForm> forms;
  std::string number;
  std::string name;
  std::string operands;
  const auto letters = [&operands] { return operands == "-" ? std::string{} : operands; };
  for (std::istringstream lines{first_table}; lines >> number >> name >> operands;) {
    forms.push_back({static_cast<std::uint8_t>(std::stoi(number, nullptr, 16)), -1, name, letters()});
  }
  std::set<int> known;
  for (std::istringstream lines{extension_table}; lines >> number >> name >> operands;) {
    forms.push_back({0x7F, std::stoi(number, nullptr, 16), name, letters()});
    known.insert(forms.back().second);
  }
  for (int second = 0; second < 256; ++second) {
    if (!known.contains(second)) forms.push_back({0x7F, second, second >= 0x80 ? "journal_record" : "extension", "*"});
  }
  return forms;
}

}  // namespace chimera::test
