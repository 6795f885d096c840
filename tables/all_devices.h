#pragma once
// The names of all devices of a store, page by page.

#include <functional>
#include <string>
#include <string_view>

#include "tables/link.h"

namespace chimera::tables {

/// Tells each device's name, in the order of names; one that is made or renamed meanwhile may be missed. A name is
/// valid during the call. `note`: what is looked for, where programs are explained.
[[nodiscard]] Result<> for_each_device(Link& link, bool explained, std::string note,
                                       const std::function<void(std::string_view name)>& tell);

}  // namespace chimera::tables
