#pragma once
// Where a program's tables and collections are: a store that it opens itself, or one behind a server.
//
//     auto link = chimera::links::open_link("store.img", {.make_bytes = 1 << 30});
//     if (!link) std::puts(link.error().words.c_str());

#include <cstdint>
#include <memory>
#include <string>

#include "include/chimera.h"
#include "tables/link.h"

namespace chimera::links {

struct LinkOptions {
  /// Where there is no file of that name a store of so many bytes is made, with that size alone: what `store` says does
  /// not count for the making. Fewer than 16 MiB: `io_error`. 0: there has to be a file. Nothing is made in `:memory:`
  /// or on a disk of one's own.
  std::uint64_t make_bytes = 0;
  /// How a store is opened; copied. Null: the usual.
  const chimera_options* store = nullptr;
  /// How many milliseconds it is tried to reach a server again when the connection has broken; 0: once.
  std::uint64_t patience_ms = 30'000;
};

/// Opens the store in a file or on a block device, `:memory:`, or, for an empty `place`, on the disk that the options
/// name; or connects to a server, `unix:PATH` or `tcp:HOST:PORT`. A failure (`io_error` mostly) has whole sentences.
///
/// The link serves any number of tables and collections, which it must outlive. It and they are for one thread at a
/// time; that of a store is for the thread that has opened it, and others are told `denied`. Who wants several threads
/// opens a link to a server in each.
///
/// What an operation has answered is durable; when the link goes it leaves a store in order. Where the connection to a
/// server breaks it connects again and finds out what has become of what was under way: who gets a failure knows that
/// nothing has happened, unless it is in doubt (Failure::is_in_doubt), and then its words tell how to ask the server.
[[nodiscard]] tables::Result<std::unique_ptr<tables::Link>> open_link(const std::string& place,
                                                                      const LinkOptions& options = {});

/// The store that a link has opened, for devices and programs of one's own beside the tables: sessions of it are run
/// with chimera_run. chimera_submit and chimera_reap are the link's, as are closing and freeing. Null: a server's.
[[nodiscard]] chimera_store* store_of(tables::Link& link);

}  // namespace chimera::links
