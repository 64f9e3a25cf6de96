/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/build.h"
#include <ctype.h>
#include <string.h>

/*
 * nginx before several frontends, as an ordinary user: pid file and buffers in
 * a folder of the node, no log of its own.  It must be no narrower than what
 * stands behind it: large bodies, idle sessions, streams of hours.
 */
#define MAX_BODY "45m"
#define STREAM	 "24h"

static const char *setting_or(const struct disagg_cmd *cmd, const char *key, const char *other)
{
	const char *value = disagg_cmd_setting(cmd, key);

	return value && value[0] ? value : other;
}

/* What a file may not say in a value: it would end the directive. */
static bool is_word(const char *text)
{
	return text[0] && !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					     "0123456789_-.")];
}

static int check_word(struct disagg_cmd *cmd, const char *key, const char *value)
{
	const struct disagg_origin *at = disagg_trace_origin(&cmd->job->trace, key);

	if (is_word(value))
		return 0;
	return disagg_err_at(cmd->err, DISAGG_CONFIG, at ? at->source : cmd->job->source,
		at ? at->line : 0, at ? at->col : 0,
		"%s is '%s': nginx takes one word of letters, digits, '-', '_' and '.'", key,
		value);
}

static void put_paths(struct disagg_cmd *cmd, struct disagg_strbuf *text)
{
	static const char *const kinds[] = {
		"client_body", "proxy", "fastcgi", "uwsgi", "scgi", NULL};

	for (unsigned i = 0; kinds[i]; i++)
		disagg_strbuf_printf(text, "    %s_temp_path %s/%s;\n", kinds[i],
			cmd->out->scratch ? cmd->out->scratch : "", kinds[i]);
}

/* A session goes to one frontend; a request without one to any. */
static void put_affinity(const char *header, struct disagg_strbuf *text)
{
	struct disagg_strbuf name;

	disagg_strbuf_init(&name, 1024);
	disagg_strbuf_puts(&name, "$http_");
	for (const char *c = header; *c; c++)
		disagg_strbuf_putc(&name, *c == '-' ? '_' : (char)tolower((unsigned char)*c));
	disagg_strbuf_printf(text,
		"    map %s $disagg_session {\n        default %s;\n        \"\" $request_id;\n"
		"    }\n",
		name.text, name.text);
	if (name.failed)
		text->failed = true;
	disagg_strbuf_release(&name);
}

static void put_upstream(
	struct disagg_cmd *cmd, bool affinity, const char *keepalive, struct disagg_strbuf *text)
{
	disagg_strbuf_puts(text, "    upstream frontends {\n");
	if (affinity)
		disagg_strbuf_puts(text, "        hash $disagg_session consistent;\n");
	for (uint32_t i = 0; i < cmd->plan->service_count; i++) {
		const struct disagg_service *service = &cmd->plan->service[i];

		if (service->role != cmd->service->role &&
			cmd->plan->role[service->role].kind == DISAGG_FRONTEND)
			disagg_strbuf_printf(text, "        server %s:%d;\n",
				disagg_cmd_ip(cmd, service->node),
				disagg_cmd_service_port(cmd, service));
	}
	disagg_strbuf_printf(
		text, "        keepalive 512;\n        keepalive_timeout %s;\n    }\n", keepalive);
}

static void put_server(struct disagg_cmd *cmd, struct disagg_strbuf *text)
{
	disagg_strbuf_printf(text,
		"    server {\n"
		"        listen %d;\n"
		"        location / {\n"
		"            proxy_pass http://frontends;\n"
		"            proxy_http_version 1.1;\n"
		"            proxy_set_header Connection \"\";\n"
		"            proxy_buffering off;\n"
		"            proxy_read_timeout " STREAM ";\n"
		"            proxy_send_timeout " STREAM ";\n"
		"        }\n"
		"    }\n",
		disagg_cmd_port(cmd, DISAGG_PORT_HTTP));
}

static void put_config(struct disagg_cmd *cmd, const char *header, const char *keepalive,
	struct disagg_strbuf *text)
{
	bool affinity = disagg_cmd_setting_on(cmd, "frontend.nginx_session_affinity", false);

	disagg_strbuf_puts(text, "worker_processes auto;\n");
	if (disagg_cmd_setting_on(cmd, "frontend.nginx_raise_ulimit", false))
		disagg_strbuf_puts(text, "worker_rlimit_nofile 1048576;\n");
	disagg_strbuf_printf(text,
		"error_log stderr warn;\npid %s/nginx.pid;\n"
		"events {\n    worker_connections 65535;\n    multi_accept on;\n}\n"
		"http {\n    access_log off;\n    client_max_body_size " MAX_BODY ";\n"
		"    keepalive_timeout %s;\n",
		cmd->out->scratch ? cmd->out->scratch : "", keepalive);
	put_paths(cmd, text);
	if (affinity)
		put_affinity(header, text);
	put_upstream(cmd, affinity, keepalive, text);
	put_server(cmd, text);
	disagg_strbuf_puts(text, "}\n");
}

int disagg_engine_nginx(struct disagg_cmd *cmd)
{
	static const char *const header_key = "frontend.nginx_session_affinity_header";
	static const char *const keepalive_key = "frontend.nginx_keepalive_timeout";
	const char *header = setting_or(cmd, header_key, "X-Dynamo-Session-ID");
	const char *keepalive = setting_or(cmd, keepalive_key, "600s");
	const char *path = disagg_cmd_path(cmd, "nginx.conf");
	struct disagg_strbuf text;

	if (check_word(cmd, header_key, header) || check_word(cmd, keepalive_key, keepalive))
		return -1;
	disagg_cmd_scratch(cmd);
	disagg_strbuf_init(&text, DISAGG_MAX_YAML_BYTES);
	put_config(cmd, header, keepalive, &text);
	disagg_cmd_file(cmd, "nginx.conf", &text);
	disagg_cmd_put(cmd, "nginx");
	/* before it has read the file it would write to /var/log */
	disagg_cmd_flag(cmd, "-e", "stderr");
	disagg_cmd_flag(cmd, "-c", "%s", path ? path : "");
	disagg_cmd_flag(cmd, "-g", "daemon off;");
	return 0;
}
