/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/library.h"

#include <dlfcn.h>
#include <string.h>

/* dlerror's text is all there is to tell the two apart by. */
static bool is_missing(const char *text, const char *name)
{
	return strncmp(text, name, strlen(name)) == 0 && strstr(text, "No such file");
}

int disagg_library_open(const char *const *names, void **ret, struct disagg_err *err)
{
	for (size_t i = 0; names[i]; i++) {
		void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
		const char *text;

		if (library) {
			*ret = library;
			return 0;
		}
		text = dlerror();
		if (text && !is_missing(text, names[i]))
			return disagg_err_set(
				err, DISAGG_SYSTEM, "cannot load '%s': %s", names[i], text);
	}
	return disagg_err_set(err, DISAGG_SKIPPED, "no '%s' on this node", names[0]);
}

int disagg_library_fill(void *library, void *table, const struct disagg_symbol *symbols,
	size_t count, struct disagg_err *err)
{
	for (size_t i = 0; i < count; i++) {
		void *function = dlsym(library, symbols[i].name);

		if (!function && !symbols[i].optional)
			return disagg_err_set(
				err, DISAGG_MISSING, "the library lacks '%s'", symbols[i].name);
		memcpy((char *)table + symbols[i].offset, &function, sizeof(function));
	}
	return 0;
}
