#pragma once
// Stands between a client and a server, and breaks their connection where it is told to.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/address.h"
#include "server/socket.h"
#include "tests/io/scratch.h"

namespace chimera::tables::testing {

/// One connection at a time, to a unix socket of its own. Its thread does all; `cut` may be called from others.
class CuttingProxy {
 public:
  struct Cut {
    enum class Side : std::uint8_t { requests, answers };
    /// What has been cut off of the requests reaches the server all the same, as if it had lain in a buffer on the way:
    /// when the client's next connection has sent something, or when that has been answered and the client has not
    /// heard of it yet.
    /// Or it is lost, and the server does not hear that anybody has gone as long as there is the proxy.
    enum class Rest : std::uint8_t { is_lost, comes_before, comes_behind, is_lost_unheard };

    Side side = Side::requests;
    std::size_t after = 0;  ///< so many bytes of that side pass from now on, and then no more
    Rest rest = Rest::is_lost;
    std::vector<std::uint8_t> last_words = {};  ///< the client hears, as if they were the server's
    std::function<void()> meanwhile;            ///< before the client can connect again; in the proxy's thread
  };

  explicit CuttingProxy(server::Address upstream);
  ~CuttingProxy();
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  [[nodiscard]] std::string address() const { return "unix:" + path_; }
  /// In the place of one that has not been reached yet.
  void cut(Cut cut);
  [[nodiscard]] unsigned cuts() const { return cuts_; }
  /// Nobody can connect any more. To be called from `meanwhile`, or where there is no connection.
  void stay_away() { listening_.close(); }

 private:
  using Bytes = std::vector<std::uint8_t>;

  void serve();
  void accept();
  void pass(Cut::Side side);
  void break_off(const Cut& cut, Bytes rest);
  void deliver_late();

  io::testing::ScratchDirectory scratch_{io::testing::temporary_parent()};
  std::string path_ = scratch_.file("proxy");
  server::Address upstream_address_;
  server::Socket listening_, client_, upstream_;
  server::Socket late_;                  ///< to the server, of a connection that was cut
  std::vector<server::Socket> unheard_;  ///< the same, to which nothing more comes
  Bytes late_bytes_;
  Cut::Rest late_when_ = Cut::Rest::is_lost;
  std::mutex mutex_;
  std::optional<Cut> cut_;
  std::atomic<unsigned> cuts_ = 0;
  std::atomic<bool> ends_ = false;
  std::thread thread_;
};

}  // namespace chimera::tables::testing
