// For clang-tidy: libstdc++ 12 hides std::expected from a clang that does not claim this version of concepts.
#pragma clang system_header
#undef __cpp_concepts
#define __cpp_concepts 202002L
