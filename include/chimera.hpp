// The same in C++17 and later: objects that end what they have begun, and answers to go through. Nothing here throws
// but std::bad_alloc of the texts; errors are the codes of chimera.h, which has all the rules.
//
//     chimera::Store store;
//     if (store.open("store.img") != CHIMERA_OK) std::puts(store.error());
//     chimera::Session session(store);
//     chimera::Program program;
//     program.assemble("open device \"disk0\"\nread bytes @0x40 #14");
//     chimera::Answers answers;
//     if (session.run(program, answers) != CHIMERA_OK) std::puts(store.error());
//     for (const chimera::Answer& answer : answers) use(answer.text());
#ifndef CHIMERA_HPP
#define CHIMERA_HPP

#include <chimera.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace chimera {
inline namespace interface_0 {

/// One answer; a view that lives as long as the answers that it comes from.
class Answer : public chimera_answer {
 public:
  Answer() : chimera_answer{} {}
  [[nodiscard]] bool ok() const { return status == CHIMERA_OK; }
  /// The result, or what was wrong in words.
  [[nodiscard]] std::string_view text() const { return {reinterpret_cast<const char*>(bytes), size}; }
  /// Of a result of 1 to 8 bytes.
  [[nodiscard]] std::uint64_t number() const { return chimera_number(this); }
  [[nodiscard]] std::vector<chimera_extent> extents() const {
    std::vector<chimera_extent> all;
    chimera_answer rest = *this;
    for (chimera_extent extent; chimera_take_extent(&rest, &extent) == 1;) all.push_back(extent);
    return all;
  }
  [[nodiscard]] std::vector<chimera_device> devices() const {
    std::vector<chimera_device> all;
    chimera_answer rest = *this;
    for (chimera_device device; chimera_take_device(&rest, &device) == 1;) all.push_back(device);
    return all;
  }
};

/// The answers to a program, to be gone through as often as one likes. A view: see chimera_run and chimera_reap.
class Answers {
 public:
  Answers() : all_{} {}
  explicit Answers(const chimera_answers& all) : all_(all) {}

  class Iterator {
   public:
    Iterator() : rest_{} {}
    explicit Iterator(const chimera_answers& all) : rest_(all) { ++*this; }
    const Answer& operator*() const { return answer_; }
    const Answer* operator->() const { return &answer_; }
    Iterator& operator++() {
      is_at_end_ = chimera_next(&rest_, &answer_) == 0;
      return *this;
    }
    friend bool operator!=(const Iterator& left, const Iterator& right) {
      return left.is_at_end_ != right.is_at_end_ || (!left.is_at_end_ && left.rest_.count != right.rest_.count);
    }
    friend bool operator==(const Iterator& left, const Iterator& right) { return !(left != right); }

   private:
    chimera_answers rest_;
    Answer answer_;
    bool is_at_end_ = true;
  };
  [[nodiscard]] Iterator begin() const { return Iterator(all_); }
  [[nodiscard]] Iterator end() const { return Iterator(); }
  [[nodiscard]] std::size_t size() const { return all_.count; }
  [[nodiscard]] bool empty() const { return size() == 0; }
  /// By number, from 0; goes through those before. One that is not there has the status CHIMERA_E_ARGUMENT.
  [[nodiscard]] Answer at(std::size_t number) const {
    for (const Answer& answer : *this) {
      if (number-- == 0) return answer;
    }
    Answer none;
    none.status = CHIMERA_E_ARGUMENT;
    return none;
  }
  [[nodiscard]] const chimera_answers& raw() const { return all_; }
  [[nodiscard]] chimera_answers* out() { return &all_; }

 private:
  chimera_answers all_;
};

/// See chimera_program. One that could not be made, for want of memory, is refused when it is to run.
class Program {
 public:
  Program() : handle_(chimera_program_new()) {}

  Program& add(const chimera_instruction& instruction) {
    chimera_add(get(), &instruction);
    return *this;
  }
  Program& assemble(const char* text) {
    chimera_assemble(get(), text);
    return *this;
  }
  Program& append(const void* bytes, std::size_t size) {
    chimera_append(get(), bytes, size);
    return *this;
  }
  void clear() { chimera_program_clear(get()); }
  /// What went wrong first; "" if nothing has.
  [[nodiscard]] const char* error() const { return chimera_program_error(get()); }
  [[nodiscard]] std::string_view bytes() const {
    std::size_t size = 0;
    const std::uint8_t* const bytes = chimera_program_bytes(get(), &size);
    return {reinterpret_cast<const char*>(bytes), size};
  }
  [[nodiscard]] chimera_program* get() const { return handle_.get(); }

 private:
  struct Free {
    void operator()(chimera_program* program) const { chimera_program_free(program); }
  };
  std::unique_ptr<chimera_program, Free> handle_;
};

/// A program that has come to its end.
class Result : public chimera_result {
 public:
  [[nodiscard]] Answers all() const { return Answers(answers); }
};
static_assert(std::is_standard_layout_v<Result> && sizeof(Result) == sizeof(chimera_result));

/// See chimera_store. What is open when it goes is left as by a crash: `close` makes it durable.
class Store {
 public:
  Store() : handle_(chimera_new()) {}

  [[nodiscard]] static chimera_options options() {
    chimera_options options{};
    options.struct_size = sizeof options;
    return options;
  }
  [[nodiscard]] int format(const char* path, const chimera_options& options = Store::options()) {
    return chimera_format(get(), path, &options);
  }
  [[nodiscard]] int open(const char* path, const chimera_options& options = Store::options()) {
    return chimera_open(get(), path, &options);
  }
  [[nodiscard]] int connect(const char* address) { return chimera_connect(get(), address); }
  [[nodiscard]] int close() { return chimera_close(get()); }
  [[nodiscard]] const char* error() const { return chimera_error(get()); }
  [[nodiscard]] int descriptor() { return chimera_descriptor(get()); }
  /// At most `most` results, in `results`, which is emptied first: their number or a CHIMERA_E_ code.
  [[nodiscard]] int reap(std::vector<Result>& results, int timeout_ms, std::size_t most = 64) {
    results.resize(most);
    const int count = chimera_reap(get(), results.data(), most, timeout_ms);
    results.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return count;
  }
  [[nodiscard]] chimera_store* get() const { return handle_.get(); }

 private:
  struct Free {
    void operator()(chimera_store* store) const { chimera_free(store); }
  };
  std::unique_ptr<chimera_store, Free> handle_;
};

/// See chimera_session. It must go before its store does.
class Session {
 public:
  /// Whether that has worked says `is_open`, and why not the store.
  explicit Session(Store& store) : handle_(chimera_session_new(store.get())) {}
  [[nodiscard]] bool is_open() const { return handle_ != nullptr; }

  [[nodiscard]] int run(const Program& program) { return chimera_run(get(), program.get(), nullptr); }
  /// The answers are valid until the next run on this session.
  [[nodiscard]] int run(const Program& program, Answers& answers) {
    return chimera_run(get(), program.get(), answers.out());
  }
  [[nodiscard]] int submit(const Program& program, void* tag = nullptr) {
    return chimera_submit(get(), program.get(), tag);
  }
  [[nodiscard]] chimera_session* get() const { return handle_.get(); }

 private:
  struct Free {
    void operator()(chimera_session* session) const { chimera_session_free(session); }
  };
  std::unique_ptr<chimera_session, Free> handle_;
};

}  // namespace interface_0
}  // namespace chimera

#endif
