#pragma once
// Memory for large transfers, shared by all that is served: who is about to receive a long payload, or to make a long
// answer, asks first. First come, first served: a small claim never passes by a large one, so none starves.

#include <cstddef>
#include <cstdint>
#include <deque>

namespace chimera::vm {

class TransferBudget {
 public:
  /// So much is taken without being asked for, as part of what any session may hold.
  static constexpr std::uint64_t free_bytes = 256 << 10;

  class Waiter {
   public:
    /// The claim that has been waiting is held now. Called from whatever gives memory back: nothing may be asked for or
    /// given back in it, it only notes that there is something to go on with.
    virtual void transfer_granted() = 0;

   protected:
    ~Waiter() = default;
  };

  /// A part of the budget: none, waited for, or held until it is given back or the claim goes.
  class Claim {
   public:
    Claim() = default;
    ~Claim() { give_back(); }
    /// The other one does not wait.
    Claim(Claim&& other) noexcept { add(std::move(other)); }
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;
    Claim& operator=(Claim&&) = delete;

    /// Of a claim that is nothing yet. True: it is held. False: it waits, and the waiter, who must outlive that, is
    /// told. Whoever asks for more than all gets all.
    [[nodiscard]] bool ask(TransferBudget& budget, std::uint64_t bytes, Waiter& waiter);
    [[nodiscard]] bool is_waiting() const noexcept { return waiter_ != nullptr; }
    [[nodiscard]] bool is_held() const noexcept { return budget_ != nullptr && waiter_ == nullptr; }
    /// Or waits no more. Others may be told.
    void give_back() noexcept;
    /// Takes over what another one holds, beside what is held already; neither waits.
    void add(Claim&& other) noexcept;

   private:
    friend class TransferBudget;
    TransferBudget* budget_ = nullptr;
    std::uint64_t bytes_ = 0;
    Waiter* waiter_ = nullptr;
  };

  explicit TransferBudget(std::uint64_t bytes) : bytes_(bytes) {}
  /// All claims have gone.
  ~TransferBudget() = default;
  TransferBudget(const TransferBudget&) = delete;
  TransferBudget& operator=(const TransferBudget&) = delete;

  [[nodiscard]] std::uint64_t held_bytes() const noexcept { return held_; }
  /// How many wait. While any does, those who hold something must get on.
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size(); }
  /// There is no bound any more: all is coming to its end, and nobody shall wait for somebody else's.
  void lift() noexcept;

 private:
  void hand_out() noexcept;

  std::uint64_t bytes_;
  std::uint64_t held_ = 0;
  std::deque<Claim*> waiting_;
};

}  // namespace chimera::vm
