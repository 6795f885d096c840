#include "tables/all_devices.h"

#include <cstdint>

#include "isa/answer.h"
#include "isa/builder.h"
#include "tables/answers.h"
#include "tables/script.h"

namespace chimera::tables {

Result<> for_each_device(Link& link, bool explained, std::string note,
                         const std::function<void(std::string_view name)>& tell) {
  constexpr std::uint32_t devices_a_page = 1000;
  std::string last;
  for (bool is_more = true; is_more;) {
    Script script(explained);
    Answers answers;
    script.note([&] { return note; });
    script.add(Program().list_devices({}, last, devices_a_page));
    if (auto done = link.run(script, answers); !done) return done;
    const auto page = devices_of(answers[0]);
    for (const ListedDevice& device : page) tell(device.name);
    is_more = page.size() == devices_a_page;
    if (is_more) last = page.back().name;
  }
  return {};
}

}  // namespace chimera::tables
