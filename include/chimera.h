/* Chimera in one's own program: a store in this process, or one behind a server, by the same calls.
 *
 *     chimera_store *store = chimera_new();
 *     if (chimera_open(store, "store.img", NULL) != CHIMERA_OK) puts(chimera_error(store));
 *     chimera_session *session = chimera_session_new(store);
 *     chimera_program *program = chimera_program_new();
 *     chimera_put(program, .operation = CHIMERA_OP_OPEN_DEVICE, .name = "disk0");
 *     chimera_put(program, .operation = CHIMERA_OP_READ_BYTES, CHIMERA_AT(0x40), .count = 14);
 *     chimera_answers answers;
 *     if (chimera_run(session, program, &answers) != CHIMERA_OK) puts(chimera_error(store));
 *
 * What the instructions mean stands in docs/isa.md, how all of this is used in docs/embedding.md.
 *
 * Errors. A call that can fail gives CHIMERA_OK, a status above 0 that an instruction was answered with, or a
 * CHIMERA_E_ code below 0, and then the store has the words (chimera_error). Nothing here throws, aborts or ends the
 * process because of what a caller, a disk or a server does.
 *
 * Threads. A store and its sessions belong to the thread that has opened it, until it is closed; any other thread, and
 * a process that was forked from that one, is told CHIMERA_E_THREAD. Several stores in as many threads know nothing of
 * each other. A program belongs to nobody: one thread at a time may change it, any number may run it meanwhile
 * unchanged. chimera_disk_done may be called by any thread. No signal handler may call anything.
 *
 * Sizes and offsets are in bytes, texts are UTF-8 that ends with a zero byte unless a size is given with them, UUIDs
 * are 16 bytes in the order of RFC 4122. A null pointer where something is needed is CHIMERA_E_ARGUMENT.
 */
#ifndef CHIMERA_H
#define CHIMERA_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#if defined(__GNUC__)
#define CHIMERA_API __attribute__((visibility("default")))
#else
#define CHIMERA_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct chimera_store chimera_store;     /* a store, once it has been opened or connected to */
typedef struct chimera_session chimera_session; /* a stream of instructions: open devices, cursors, a transaction */
typedef struct chimera_program chimera_program; /* instructions, checked when they are put into it */

/* ------------------------------------------------------------------ statuses */

enum {
  CHIMERA_OK = 0,
  /* What an instruction may be answered with. */
  CHIMERA_ILLEGAL_INSTRUCTION = 1,
  CHIMERA_NO_CURRENT_DEVICE = 2,
  CHIMERA_NOT_FOUND = 3,
  CHIMERA_EXISTS = 4,
  CHIMERA_OUT_OF_RANGE = 5,
  CHIMERA_MISALIGNED = 6,
  CHIMERA_MISMATCH = 7,
  CHIMERA_ABORTED = 8,
  CHIMERA_CONFLICT = 9,
  CHIMERA_BUSY = 10,
  CHIMERA_NO_SPACE = 11,
  CHIMERA_IO_ERROR = 12,
  CHIMERA_CORRUPT = 13,
  CHIMERA_TOO_LARGE = 14,
  CHIMERA_DENIED = 15,
  CHIMERA_UNSUPPORTED = 16,
  CHIMERA_READ_ONLY = 17,
  CHIMERA_BAD_TEXT = 18,
  CHIMERA_SHUTTING_DOWN = 19,
  CHIMERA_OUT_OF_SEQUENCE = 20,
  CHIMERA_TOO_MANY_OPEN = 21,
  CHIMERA_NO_CURSOR = 22,
  /* What a call may answer: nothing has been run, except with the last two. */
  CHIMERA_E_ARGUMENT = -1,  /* a null pointer, a number out of range */
  CHIMERA_E_STATE = -2,     /* not open, open already, programs still under way */
  CHIMERA_E_THREAD = -3,    /* the store belongs to another thread, or to the process that this one was forked from */
  CHIMERA_E_REENTERED = -4, /* from within a callback of the store's own disk */
  CHIMERA_E_PROGRAM = -5,   /* what was put into the program is no instruction; chimera_program_error has the words */
  CHIMERA_E_OPEN = -6,      /* there is no store, or it cannot be opened, made or reached */
  CHIMERA_E_SYSTEM = -7,    /* the system refuses something, a descriptor for example */
  CHIMERA_E_MEMORY = -8,    /* no memory for it, in this library */
  CHIMERA_E_LOST = -9,      /* the connection has gone: what was under way may have happened or not */
  CHIMERA_E_BROKEN = -10    /* no memory amid an operation: only chimera_free is left. What is durable is safe */
};

/* "out of range", "bad argument"; "unknown status" for what is none. Never null, lives for ever. */
CHIMERA_API const char* chimera_status_name(int status);
/* "0.1.0". */
CHIMERA_API const char* chimera_version(void);

/* ------------------------------------------------------------------ a disk of the caller's own */

enum { CHIMERA_DISK_READ = 0, CHIMERA_DISK_WRITE = 1, CHIMERA_DISK_FLUSH = 2 };

/* One transfer of whole blocks of 4096 bytes, or a flush. It and its memory live until it is done. */
typedef struct chimera_disk_request {
  uint64_t ticket; /* for chimera_disk_done; never used twice */
  int kind;
  int part_count;            /* of parts, 0 for a flush */
  uint64_t offset;           /* where on the disk, a multiple of 4096 */
  size_t size;               /* of all parts together, at most 1 MiB */
  const struct iovec* parts; /* where in memory, in order; each a multiple of 4096 long, and aligned to it */
} chimera_disk_request;

/* Both functions are called by the store's own thread, from within chimera_ calls. They may call chimera_disk_done, and
 * nothing else of this library. Any number of requests may be under way, in any order. A flush covers the writes that
 * were done before it was started; what it covers survives a loss of power. */
typedef struct chimera_disk {
  void* context;
  uint64_t size; /* of the disk; rounded down to a block, it stays so until the store is closed */
  /* Begins the request, or carries it out and calls chimera_disk_done right away. */
  void (*start)(void* context, const chimera_disk_request* request);
  /* The store goes: when this returns, no memory of a request is touched any more and no thread is within
   * chimera_disk_done. Requests that are not done yet are given up. Called once for each successful or failed open or
   * format. May be null where every request is done before start returns. */
  void (*close)(void* context);
} chimera_disk;

/* The request with this ticket has been carried out (error 0), wholly, or has failed with an errno. From any thread. A
 * ticket that is not under way is ignored: CHIMERA_E_ARGUMENT. */
CHIMERA_API int chimera_disk_done(chimera_store* store, uint64_t ticket, int error);

/* ------------------------------------------------------------------ opening and closing */

enum {
  CHIMERA_LOOP_AUTOMATIC = 0, /* io_uring where the kernel allows it, else as POSIX */
  CHIMERA_LOOP_URING = 1,
  CHIMERA_LOOP_POSIX = 2 /* pread and pwrite: the disk is waited for within the calls */
};

#define CHIMERA_NO_JOURNAL UINT64_MAX

/* All may be left 0 but the first: `chimera_options options = {.struct_size = sizeof options};` */
typedef struct chimera_options {
  size_t struct_size;       /* sizeof(chimera_options) as the caller knows it */
  uint64_t cache_bytes;     /* 0: 256 MiB; at least 128 MiB */
  uint64_t memory_bytes;    /* what devices in memory may take together; 0: half of the computer's memory */
  int loop;                 /* CHIMERA_LOOP_; of no concern for a disk of the caller's own */
  int read_only;            /* nothing is written to the disk; writing instructions answer CHIMERA_READ_ONLY */
  const chimera_disk* disk; /* instead of a path; copied */
  /* For chimera_format only. */
  uint64_t size;          /* of a store in a file; 0: what the file has, else 1 GiB. At least 16 MiB */
  uint64_t journal_bytes; /* 2 to 112 MiB; 0: a sixteenth of the store, from 2 to 64 MiB; or CHIMERA_NO_JOURNAL */
  int overwrite;          /* whatever stands there; else only what does not exist yet, or is empty, becomes a store */
  /* For chimera_open only, of a store in a file or on a block device. */
  const char* attach; /* the folder below which devices may be files (kind=file,path=PATH); null: there are none */
  int keep_space; /* what is deleted keeps its place in the store's file; else it is given back to the file system */
} chimera_options;

/* A store that is not open yet, or null if there is no memory. */
CHIMERA_API chimera_store* chimera_new(void);
/* Closes what is open, without making anything durable: as a crash would leave it, and what was durable is. Frees the
 * store, its sessions and what they gave out. Null is fine. In another thread or process than the one that has opened
 * the store, and from its disk's callbacks, it does nothing. */
CHIMERA_API void chimera_free(chimera_store* store);
/* What the last call that failed on this store or one of its sessions had to say: one or more sentences. Valid until
 * the next call on it; never null. */
CHIMERA_API const char* chimera_error(const chimera_store* store);

/* Makes an empty store of a file (made if there is none), a block device, or options->disk. The handle stays closed. */
CHIMERA_API int chimera_format(chimera_store* store, const char* path, const chimera_options* options);
/* Opens the store in a file or on a block device; `:memory:` is one that is gone when it is closed; a null path with
 * options->disk is a disk of the caller's own. Options may be null. Waits for the disk. */
CHIMERA_API int chimera_open(chimera_store* store, const char* path, const chimera_options* options);
/* Connects to a running server: "unix:PATH" or "tcp:HOST:PORT". Each session is a connection of its own. */
CHIMERA_API int chimera_connect(chimera_store* store, const char* address);
/* Makes everything durable and leaves the store in order; waits for the disk. Refused while programs are under way. The
 * store is closed afterwards, whatever is answered, unless that is CHIMERA_E_STATE, _THREAD or _REENTERED; it may be
 * opened again. A status above 0 says why not everything could be made durable. */
CHIMERA_API int chimera_close(chimera_store* store);

/* ------------------------------------------------------------------ programs */

/* The operations: the opcode of an instruction's row, 0x7F00 and more for those behind 7F. */
enum {
  CHIMERA_OP_READ_BYTE = 0x00,
  CHIMERA_OP_CHECK_BYTE = 0x08,
  CHIMERA_OP_READ_BYTES = 0x10,
  CHIMERA_OP_CHECK_BYTES = 0x18,
  CHIMERA_OP_READ_BLOCK = 0x20,
  CHIMERA_OP_CHECK_BLOCK = 0x28,
  CHIMERA_OP_READ_COLUMNS = 0x30,
  CHIMERA_OP_READ_EXTENTS = 0x38,
  CHIMERA_OP_OPEN_DEVICE = 0x40,
  CHIMERA_OP_LIST_DEVICES = 0x48,
  CHIMERA_OP_READ_LENGTH = 0x50,
  CHIMERA_OP_DESCRIBE_DEVICE = 0x58,
  CHIMERA_OP_READ_METADATA = 0x60,
  CHIMERA_OP_READ_METADATA_BYTES = 0x68,
  CHIMERA_OP_CREATE_DEVICE = 0x70,
  CHIMERA_OP_CLONE_DEVICE = 0x78,
  CHIMERA_OP_WRITE_BYTE = 0x80,
  CHIMERA_OP_SWAP_BYTE = 0x88,
  CHIMERA_OP_WRITE_BYTES = 0x90,
  CHIMERA_OP_SWAP_BYTES = 0x98,
  CHIMERA_OP_WRITE_BLOCK = 0xA0,
  CHIMERA_OP_SWAP_BLOCK = 0xA8,
  CHIMERA_OP_WRITE_COLUMNS = 0xB0,
  CHIMERA_OP_CLEAR_EXTENTS = 0xB8,
  CHIMERA_OP_CLOSE_DEVICE = 0xC0,
  CHIMERA_OP_FLUSH_DEVICE = 0xC8,
  CHIMERA_OP_WRITE_LENGTH = 0xD0,
  CHIMERA_OP_APPEND_BYTES = 0xD8,
  CHIMERA_OP_WRITE_METADATA = 0xE0,
  CHIMERA_OP_WRITE_METADATA_BYTES = 0xE8,
  CHIMERA_OP_DELETE_DEVICE = 0xF0,
  CHIMERA_OP_BEGIN = 0xF8,
  CHIMERA_OP_COMMIT = 0xF9,
  CHIMERA_OP_ABORT = 0xFA,
  CHIMERA_OP_SYNC = 0xFB,
  CHIMERA_OP_COPY_BYTES = 0xFC,
  CHIMERA_OP_HELLO = 0xFD,
  CHIMERA_OP_SELECT_DEVICE = 0xFE,
  CHIMERA_OP_SELECT_OFFSET = 0xFF,
  CHIMERA_OP_READ_DIGEST = 0x7F10,
  CHIMERA_OP_COMPARE_DEVICES = 0x7F11,
  CHIMERA_OP_READ_METADATA_EXTENTS = 0x7F20,
  CHIMERA_OP_CLEAR_METADATA = 0x7F21,
  CHIMERA_OP_CHECK_METADATA_BYTES = 0x7F22,
  CHIMERA_OP_RENAME_DEVICE = 0x7F40,
  CHIMERA_OP_PROTECT_DEVICE = 0x7F41,
  CHIMERA_OP_ROLL_BACK_DEVICE = 0x7F42,
  CHIMERA_OP_DELETE_DEVICE_BY_FORCE = 0x7F43,
  CHIMERA_OP_SNAPSHOT = 0x7F44,
  CHIMERA_OP_DESCRIBE_STORE = 0x7F50,
  CHIMERA_OP_COMMIT_WITH_TOKEN = 0x7F60,
  CHIMERA_OP_OUTCOME_OF_TOKEN = 0x7F61
};

/* One instruction. What it does not have is left 0, and not looked at. What it has and is left out counts as 0 or as
 * empty: an error where that cannot be, as of a name, a block or a UUID; but the device and the offset are implied
 * where docs/isa.md lets them. hello has its credentials in `payload`. */
typedef struct chimera_instruction {
  int operation;
  uint8_t value;                /* value8 */
  int has_offset;               /* an offset is given; 0: the device's cursor */
  uint64_t offset;              /* copy bytes: from; write length: the length */
  uint64_t second_offset;       /* copy bytes: to */
  uint64_t count;               /* snapshot: how many devices the payload names */
  const uint8_t* device;        /* UUID; null: the current device. copy bytes: from */
  const uint8_t* second_device; /* UUID. copy bytes: to; compare, roll back: the other */
  const void* payload;          /* bytes, a block of 4096, a token of 16; snapshot: (UUID, u16 length, name) … */
  size_t payload_size;
  const char* name;
  const char* second_name; /* list devices: the name to start after */
  const char* columns;
  const char* options; /* create device: "size=128M" */
  const void* reserved[4];
} chimera_instruction;

/* An empty program, or null if there is no memory. */
CHIMERA_API chimera_program* chimera_program_new(void);
CHIMERA_API void chimera_program_free(chimera_program* program);
/* Empties it, and forgets what went wrong. What has been submitted goes on unharmed. */
CHIMERA_API void chimera_program_clear(chimera_program* program);
/* These put something behind the program. What goes wrong leaves it as it was, and is kept: a program with an error is
 * refused when it is to run, so it is enough to look then. */
CHIMERA_API int chimera_add(chimera_program* program, const chimera_instruction* instruction);
/* Whole instructions in the bytes of docs/isa.md. */
CHIMERA_API int chimera_append(chimera_program* program, const void* bytes, size_t size);
/* Assembly text, as in docs/isa.md; it may not name files. */
CHIMERA_API int chimera_assemble(chimera_program* program, const char* text);
/* What went wrong first, "" if nothing has; of an assembly the diagnostics, a line and a caret each. Valid until the
 * program is changed; never null. */
CHIMERA_API const char* chimera_program_error(const chimera_program* program);
/* Its bytes; valid until the program is changed. */
CHIMERA_API const uint8_t* chimera_program_bytes(const chimera_program* program, size_t* size);

#ifndef __cplusplus
/* chimera_put(program, .operation = CHIMERA_OP_WRITE_BYTES, CHIMERA_AT(64), .payload = text, .payload_size = 5); */
#define chimera_put(program, ...) chimera_add((program), &(chimera_instruction){__VA_ARGS__})
#endif
#define CHIMERA_AT(where) .has_offset = 1, .offset = (where)

/* ------------------------------------------------------------------ running programs */

/* The answers to a program. The memory belongs to the library; how long it stays says who gave them. */
typedef struct chimera_answers {
  const uint8_t* bytes; /* all of them, as on the wire */
  size_t size;
  size_t count; /* of instructions that were answered: all of the program's, unless the connection was lost */
  /* For chimera_next. */
  const uint8_t* program;
  size_t program_size;
  const void* reserved[2];
} chimera_answers;

typedef struct chimera_answer {
  int status;           /* CHIMERA_OK, or what went wrong */
  int operation;        /* CHIMERA_OP_; 0x7F00 and more also for extensions that are not known */
  const uint8_t* bytes; /* the result, of a text or list without the u32 in front; else what was wrong, in words */
  size_t size;
} chimera_answer;

/* Takes the first of the answers: 1, or 0 if none is left. Changes nothing but the two structures. */
CHIMERA_API int chimera_next(chimera_answers* answers, chimera_answer* answer);
/* The number in a result of 1 to 8 bytes, 0 for any other. */
CHIMERA_API uint64_t chimera_number(const chimera_answer* answer);

enum { CHIMERA_HOLE = 1, CHIMERA_ZEROS = 2, CHIMERA_DIFFERS = 4 };
typedef struct chimera_extent {
  uint64_t length;
  uint32_t flags;
} chimera_extent;
typedef struct chimera_device {
  const uint8_t* uuid;
  const char* name; /* not ended by a zero byte */
  size_t name_size;
} chimera_device;
/* Take the first extent or device of such a result, whose `bytes` and `size` become the rest: 1, or 0 if none is left
 * or the answer is of another kind. */
CHIMERA_API int chimera_take_extent(chimera_answer* answer, chimera_extent* extent);
CHIMERA_API int chimera_take_device(chimera_answer* answer, chimera_device* device);

/* A session of an open store, or null (chimera_error says why). It goes with the store at the latest. */
CHIMERA_API chimera_session* chimera_session_new(chimera_store* store);
/* Closes its devices; an open transaction is aborted. What is under way is told by nobody any more, and of what has
 * been submitted and not reaped any part may never run: reap it first. Null is fine. */
CHIMERA_API void chimera_session_free(chimera_session* session);

/* Runs the program to its end, waiting as long as that takes, behind what has been submitted to the session before.
 * CHIMERA_OK if all is answered ok; above 0 the first status that is not, in which case all of the program has run all
 * the same, and the answers tell; below 0 a CHIMERA_E_ code. The answers may be null. They are valid until the next run
 * on this session, or until it goes. */
CHIMERA_API int chimera_run(chimera_session* session, const chimera_program* program, chimera_answers* answers);

/* A program that has come to its end. */
typedef struct chimera_result {
  chimera_session* session;
  void* tag;           /* as it was submitted */
  int status;          /* what chimera_run would have answered; CHIMERA_E_LOST if the connection has gone */
  const char* message; /* what was wrong, if anything was; never null */
  chimera_answers answers;
} chimera_result;

/* Puts the program behind those that the session has under way, and returns at once. Programs of a session run in
 * their order, those of several sessions beside each other. The program is taken as it is now. How much is under way is
 * the caller's to bound. */
CHIMERA_API int chimera_submit(chimera_session* session, const chimera_program* program, void* tag);
/* Lets what is under way go on, and gives programs that have come to their end: at most `most` of them. Waits for the
 * first at most `timeout_ms` milliseconds, -1 as long as it takes; with nothing under way it does not wait. The number
 * of results, or a CHIMERA_E_ code. What they point to is valid until the next reap. */
CHIMERA_API int chimera_reap(chimera_store* store, chimera_result* results, size_t most, int timeout_ms);
/* A descriptor that can be polled for reading: it is ready when chimera_reap has something to do. Nothing else may be
 * done with it. It belongs to the store and lives until that is closed. A CHIMERA_E_ code if there is none. */
CHIMERA_API int chimera_descriptor(chimera_store* store);

#ifdef __cplusplus
}
#endif

#endif
