#pragma once
// A real server on a store in memory, in a thread of this process, without any header of the project's inside: the
// public header in C++ has names of its own.

#include <memory>
#include <string>

namespace chimera_testing {

class StoreServer {
 public:
  StoreServer();
  ~StoreServer();
  StoreServer(const StoreServer&) = delete;
  StoreServer& operator=(const StoreServer&) = delete;
  [[nodiscard]] std::string address() const;

 private:
  class Inside;
  std::unique_ptr<Inside> inside_;
};

/// A folder that goes with the object.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const;

 private:
  class Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace chimera_testing
