#!/bin/sh
# Pages of runs as Chromium shows them: every picture and formula has a size, the page asks nothing of a network,
# no part is wider than the window, in a light and a dark setting.  Call: chromium.sh REPORT.html...  77: no Chromium here.
for name in chromium chromium-browser google-chrome ''; do
	command -v "$name" >/dev/null 2>&1 && break
done
[ -n "$name" ] || { echo "no Chromium here: the pages are not looked at in a browser"; exit 77; }
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
failed=0
for page in "$@"; do
	case $page in /*) ;; *) page=$PWD/$page ;; esac
	# The page in a frame, with a script beside it that measures.
	cat >"$tmp/look.html" <<-HTML
	<!DOCTYPE html><html><body><pre id="said">nothing</pre><iframe width="1000" height="800" src="file://$page"></iframe><script>
	onload = function () {
		var w = document.querySelector('iframe').contentWindow, d = w.document, said = [];
		function all(s) { return Array.prototype.slice.call(d.querySelectorAll(s)); }
		function box(e) { var b = e.getBoundingClientRect(); return b.width > 4 && b.height > 4; }
		all('img').forEach(function (e) { if (!e.naturalWidth || !box(e)) said.push('a picture without size: ' + e.alt); });
		all('math').forEach(function (e) { if (!box(e)) said.push('a formula without size: ' + e.textContent); });
		all('svg').forEach(function (e) { if (!box(e)) said.push('curves without size'); });
		all('h2').forEach(function (e) { if (!box(e)) said.push('a heading without size'); });
		if (all('h2').length != 5 || !all('math').length) said.push('parts are missing');
		if (d.documentElement.scrollWidth > 1000) said.push('wider than the window: ' + d.documentElement.scrollWidth);
		w.performance.getEntriesByType('resource').forEach(function (e) { if (!/^data:/.test(e.name)) said.push('asks for ' + e.name); });
		document.getElementById('said').textContent = said.length ? said.join('; ') : 'fine: ' + all('img').length +
			' pictures, ' + all('svg').length + ' curves, ' + all('math').length + ' formulas';
	};
	</script></body></html>
	HTML
	for colours in 0 1; do
		timeout 120 "$name" --headless --no-sandbox --disable-gpu --allow-file-access-from-files --disable-web-security \
			--user-data-dir="$tmp/profile" --blink-settings=preferredColorScheme=$colours --virtual-time-budget=5000 \
			--dump-dom "file://$tmp/look.html" >"$tmp/dom" 2>/dev/null
		said=$(sed -n 's/.*<pre id="said">\([^<]*\)<.*/\1/p' "$tmp/dom")
		echo "$(basename "$(dirname "$page")"), colours $colours: $said"
		case $said in 'fine: '*) ;; *) failed=1 ;; esac
	done
done
exit $failed
