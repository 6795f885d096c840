#pragma once
// The requests of a transmission that have come and are not over. For the files of Transmission only.

#include <cstdint>
#include <utility>
#include <vector>

#include "nbd/errand.h"
#include "nbd/transmission.h"
#include "vm/fetch.h"

namespace chimera::nbd {

/// A request that is under way, and what it takes of memory meanwhile.
struct Transmission::UnderWay {
  Request request;
  vm::TransferBudget::Claim claim;
  std::uint64_t free_used = 0;  ///< of free_bytes, if there is no claim
  std::uint64_t began_ns = 0;   ///< when all of the request had come

  void take_over(UnderWay& other) {
    request = other.request;
    claim.add(std::move(other.claim));
    free_used = other.free_used;
    began_ns = other.began_ns;
  }
};

/// A read that waits for what it has missed. It needs no session.
class Transmission::WaitingRead final : public vm::Fetch, public UnderWay {
 public:
  explicit WaitingRead(Transmission& transmission) : transmission_(transmission) {}

  unsigned tries = 0;

 private:
  void arrived() override {
    transmission_.arrived_reads_.push_back(this);
    transmission_.changed_();
  }

  Transmission& transmission_;
};

/// A session, and the request that it carries out now.
class Transmission::Work final : public Errand, public UnderWay {
 public:
  explicit Work(Transmission& transmission) : Errand(transmission.machine_), transmission_(transmission) {}

  std::uint64_t done = 0;     ///< bytes of the request that steps have covered
  std::uint64_t covered = 0;  ///< that this one covers
  /// Writes that shall be durable and have been done already: this is their flush, and no request of its own.
  std::vector<Request> gathered;

 private:
  void ended() override {
    transmission_.finished_.push_back(this);
    transmission_.changed_();
  }

  Transmission& transmission_;
};

}  // namespace chimera::nbd
