#pragma once
// Which tables a store has: namespaces, databases in them, tables in these. They are listed in three tables of the same
// kind, chimera/catalogue/namespaces, databases and tables, which are made when they are first needed.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tables/link.h"
#include "tables/table.h"
#include "types/schema.h"

namespace chimera::tables {

struct CatalogueOptions {
  TableOptions table;
  /// Nanoseconds since 1970 UTC; empty: the system's clock.
  std::function<std::int64_t()> now;
};

/// What the catalogue knows of a table.
struct ListedTable {
  std::string name;          ///< NAMESPACE/DATABASE/TABLE
  std::int64_t created = 0;  ///< nanoseconds since 1970 UTC
};

/// One thread at a time. The link must outlive it.
class Catalogue {
 public:
  explicit Catalogue(Link& link, CatalogueOptions options = {}) : link_(&link), options_(std::move(options)) {}

  /// Makes an empty table for a relation, in a namespace and database that are made too where they are not there, in
  /// one transaction. `exists`: there is one of that name.
  [[nodiscard]] Result<> create_table(const std::string& name, const types::Relation& relation);
  /// Deletes a table with all that is in it, also where it is so damaged that it cannot be opened. `not_found`: there
  /// is none.
  [[nodiscard]] Result<> drop_table(const std::string& name);
  /// Gives a table another name, in any namespace and database, which are made where they are not there.
  [[nodiscard]] Result<> rename_table(const std::string& from, const std::string& to);

  [[nodiscard]] Result<> create_namespace(std::string_view space);
  /// `NAMESPACE/DATABASE`; the namespace is made too where it is not there.
  [[nodiscard]] Result<> create_database(std::string_view name);
  /// `denied`: there are databases in it.
  [[nodiscard]] Result<> drop_namespace(std::string_view space);
  /// `denied`: there are tables in it.
  [[nodiscard]] Result<> drop_database(std::string_view name);
  /// How much has gone with a place.
  struct Dropped {
    std::uint64_t tables = 0, databases = 0;
  };
  /// Deletes a `NAMESPACE` or `NAMESPACE/DATABASE` with all that is in it, in one transaction; where that would be too
  /// large in several, each of which drops whole tables, and the last of which the place: interrupted it can be done
  /// again. `denied`: it holds the catalogue's own tables.
  [[nodiscard]] Result<Dropped> drop_all(std::string_view within);

  /// Lists all tables that are there and are not listed, by the names of their devices; before that, where one of the
  /// catalogue's own tables is damaged or is not there, all three are made anew: the times at which tables were created
  /// are lost then, and namespaces and databases without tables. Those that are listed now and were not; what only
  /// shows its programs ends behind the first step. Interrupted it can be done again.
  [[nodiscard]] Result<std::vector<std::string>> relist();

  /// In the order of their names. Where there is no catalogue yet there is nothing.
  [[nodiscard]] Result<std::vector<std::string>> namespaces();
  /// `NAMESPACE/DATABASE`; of one namespace, or of all where it is empty.
  [[nodiscard]] Result<std::vector<std::string>> databases(std::string_view space = {});
  /// Of a `NAMESPACE`, a `NAMESPACE/DATABASE`, or all where it is empty.
  [[nodiscard]] Result<std::vector<ListedTable>> tables(std::string_view within = {});

 private:
  struct Tables;
  [[nodiscard]] Result<Tables> open_all();
  [[nodiscard]] Result<> make_all();
  static void plan_all(Change& change);
  [[nodiscard]] Result<> plan_table(Tables& all, Change& to, const types::Row& parts);
  [[nodiscard]] Result<> plan_devices_go(Change& to, const std::string& name);
  [[nodiscard]] Result<Dropped> plan_drop_all(Tables& all, Change& to, const types::Row& parts, std::uint64_t most);
  [[nodiscard]] Result<> plan_drop_place(Tables& all, Change& to, const types::Row& parts, Dropped& dropped);
  [[nodiscard]] Result<> enter_table(const std::string& name);
  [[nodiscard]] Result<> check_is_left(const std::string& name);
  [[nodiscard]] Result<bool> is_whole();
  [[nodiscard]] Result<std::vector<std::string>> tables_by_devices();
  [[nodiscard]] Result<> plan_itself(Tables& all, Change& to);
  [[nodiscard]] Result<> change(const std::function<Result<>(Tables&, Change&)>& plan);
  [[nodiscard]] std::int64_t now() const;

  Link* link_;
  CatalogueOptions options_;
};

}  // namespace chimera::tables
