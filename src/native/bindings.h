#pragma once

#include <nanobind/nanobind.h>

namespace rapidnn {
void bind_network(nanobind::module_& m);
void bind_machine(nanobind::module_& m);
void bind_staircase(nanobind::module_& m);
}
