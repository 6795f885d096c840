#pragma once
// Tables and collections for C++23 programs, in stores of their own and behind servers. Where this is one long file it
// has been put together from the headers of Chimera's sources.
//
//     using namespace chimera::tables;
//     auto link = chimera::links::open_link("store.img", {.make_bytes = 1 << 30});
//     auto prices = Map<std::string, double>::open(**link, "shop/main/prices");
//     prices->put("tea", 2.5);
//
// Errors are values (Result): a status and whole sentences. Nothing here throws but std::bad_alloc, and then only
// destruction is left for the link and for what was opened through it. docs/collections.md and docs/tables.md tell of
// the rest. The library is linked into the program; neither its functions nor the sizes of its classes stay as they are
// from one version to the next.

#include <version>

#ifndef __cpp_lib_expected
#error "Chimera's tables need C++23 (-std=c++2b)"
#endif

#include "links/open_link.h"
#include "tables/catalogue.h"
#include "tables/collections/counter.h"
#include "tables/collections/map.h"
#include "tables/collections/sequence.h"
#include "tables/collections/set.h"
#include "tables/scan.h"
#include "tables/table.h"
#include "tables/unreadable_row.h"
#include "types/json.h"
#include "types/schema.h"
