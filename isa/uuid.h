#pragma once
// The UUIDs that name devices: 16 bytes in RFC 4122 order, on the wire and on the disk alike.

#include <boost/uuid/uuid.hpp>

namespace chimera {

using Uuid = boost::uuids::uuid;

}  // namespace chimera
