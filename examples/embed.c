/* A key-value cache over one device, in one's own program: each key has one slot, which whoever comes later takes.
 *
 *     cc embed.c $(pkg-config --cflags --libs chimera) -o embed
 *     ./embed PLACE put KEY VALUE
 *     ./embed PLACE get KEY
 *
 * PLACE is a file (made if there is none), `:memory:`, or the address of a server, as unix:PATH. */
#include <chimera.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SLOT = 512, SLOTS = 131072 };

struct cache {
  chimera_store* store;
  chimera_session* session;
  chimera_program* program;
};

static int open_place(chimera_store* store, const char* place) {
  if (strncmp(place, "unix:", 5) == 0 || strncmp(place, "tcp:", 4) == 0) return chimera_connect(store, place);
  if (strcmp(place, ":memory:") != 0 && access(place, F_OK) != 0) {
    if (chimera_format(store, place, NULL) != CHIMERA_OK) return CHIMERA_E_OPEN;
  }
  return chimera_open(store, place, NULL);
}

static int cache_open(struct cache* cache, const char* place) {
  cache->store = chimera_new();
  cache->program = chimera_program_new();
  if (open_place(cache->store, place) != CHIMERA_OK) return CHIMERA_E_OPEN;
  cache->session = chimera_session_new(cache->store);
  chimera_put(cache->program, .operation = CHIMERA_OP_OPEN_DEVICE, .name = "cache");
  const int opened = chimera_run(cache->session, cache->program, NULL);
  if (opened != CHIMERA_NOT_FOUND) return opened;
  chimera_program_clear(cache->program);
  chimera_put(cache->program, .operation = CHIMERA_OP_CREATE_DEVICE, .name = "cache", .options = "size=64M");
  return chimera_run(cache->session, cache->program, NULL);
}

static uint64_t slot_of(const char* key) {
  uint64_t hash = 14695981039346656037u;
  while (*key != '\0') hash = (hash ^ (unsigned char)*key++) * 1099511628211u;
  return hash % SLOTS * SLOT;
}

static int cache_put(struct cache* cache, const char* key, const char* value) {
  char slot[SLOT] = {0};
  const int size = snprintf(slot, sizeof slot, "%s%c%s", key, 0, value) + 1;
  if (size > SLOT) return CHIMERA_TOO_LARGE;
  chimera_program_clear(cache->program);
  chimera_put(cache->program, .operation = CHIMERA_OP_WRITE_BYTES, CHIMERA_AT(slot_of(key)), .payload = slot,
              .payload_size = SLOT);
  return chimera_run(cache->session, cache->program, NULL);
}

/* The value, valid until the cache is used again; null if there is none. */
static int cache_get(struct cache* cache, const char* key, const char** value) {
  chimera_answers answers;
  chimera_answer slot;
  chimera_program_clear(cache->program);
  chimera_put(cache->program, .operation = CHIMERA_OP_READ_BYTES, CHIMERA_AT(slot_of(key)), .count = SLOT);
  const int failed = chimera_run(cache->session, cache->program, &answers);
  if (failed != CHIMERA_OK) return failed;
  chimera_next(&answers, &slot);
  *value = strcmp((const char*)slot.bytes, key) == 0 ? (const char*)slot.bytes + strlen(key) + 1 : NULL;
  return CHIMERA_OK;
}

int main(int count, char** words) {
  struct cache cache = {0};
  const char* value = NULL;
  const int is_put = count == 5 && strcmp(words[2], "put") == 0;
  const int is_get = count == 4 && strcmp(words[2], "get") == 0;
  if (!is_put && !is_get) return fputs("usage: embed PLACE put KEY VALUE | embed PLACE get KEY\n", stderr), 2;
  int failed = cache_open(&cache, words[1]);
  if (failed == CHIMERA_OK && is_put) failed = cache_put(&cache, words[3], words[4]);
  if (failed == CHIMERA_OK && is_get) failed = cache_get(&cache, words[3], &value);
  const int is_missing = failed == CHIMERA_OK && is_get && value == NULL;
  if (value != NULL) puts(value);
  if (is_missing) fputs("embed: there is no such key\n", stderr);
  if (failed == CHIMERA_OK) failed = chimera_close(cache.store); /* durable from here on */
  if (failed == CHIMERA_TOO_LARGE)
    fprintf(stderr, "embed: key and value have %d bytes at most\n", SLOT - 2);
  else if (failed != CHIMERA_OK)
    fprintf(stderr, "embed: %s\n", chimera_error(cache.store));
  chimera_program_free(cache.program);
  chimera_free(cache.store);
  return failed != CHIMERA_OK || is_missing;
}
