"""The look: one accent colour (teal), fonts that ship with Gradio, no network."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

ACCENT = "#0f766e"
# Slate between 500 and 600: at least 5:1 on every background of the page (WCAG AA asks for 4.5).
SUBDUED = "#586779"
STYLE = [Path(__file__).with_name(name) for name in ("style.css", "help.css")]

# The address carries the tab and the run; charts drawn in a hidden tab get their width when it shows.
HEAD = """
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="Make a language model's answers follow a distribution you choose.">
<script>
window.distalign = {
  // What is compared, or was played, belongs to the address of its tab alone.
  compared_names: ["dataset", "methods", "runs", "split", "category", "context", "prompt", "contexts"],
  // Tabs announce themselves while the page is built; the address must be read before it is written.
  ready: false,
  address(changes) {
    const url = new URL(window.location);
    for (const [key, value] of Object.entries(changes)) {
      if (value) url.searchParams.set(key, value); else url.searchParams.delete(key);
    }
    window.history.replaceState(null, "", url);
  },
  shown(tab, run) {
    if (!window.distalign.ready) return;
    const rest = tab === "compare" ? {} :
      Object.fromEntries(window.distalign.compared_names.map((name) => [name, null]));
    if (tab !== "play") rest.play = null;
    window.distalign.address(run === undefined ? {...rest, tab} : {...rest, tab, run});
    setTimeout(() => window.dispatchEvent(new Event("resize")), 60);
  },
  compared(query) {
    const url = new URL(window.location);
    if (url.searchParams.get("tab") !== "compare") return;
    for (const name of window.distalign.compared_names) url.searchParams.delete(name);
    new URLSearchParams(query).forEach((value, name) => url.searchParams.set(name, value));
    url.search = url.searchParams.toString().replaceAll("%2C", ",");
    window.history.replaceState(null, "", url);
  },
  played(play) {
    for (const link of document.querySelectorAll("#play-earlier a"))
      link.setAttribute("aria-current", link.dataset.play === play);
    if (new URL(window.location).searchParams.get("tab") === "play") window.distalign.address({play});
  },
  download(id) {
    setTimeout(() => document.querySelector("#" + id + " a, a#" + id + ", button#" + id)?.click(), 150);
  },
};
// What is typed in a box of choices that was clicked takes the place of what it holds: at once, as a Gradio event
// comes after the first letters.
document.addEventListener("click", (event) => {
  event.target.closest?.("#start-from input, #row-context input")?.select();
});
</script>
"""


def build_theme() -> gr.themes.Base:
    """Gradio's base theme with the accent, calm neutrals and square shadows removed."""
    fonts = gr.themes
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        spacing_size=gr.themes.sizes.spacing_md,
        radius_size=gr.themes.sizes.radius_md,
        text_size=gr.themes.sizes.text_md,
        font=[fonts.LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=[fonts.LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace"],
    )
    return theme.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_800",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued=SUBDUED,
        body_text_color_subdued_dark="*neutral_400",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="0px",
        block_shadow="none",
        block_padding="0px",
        block_title_text_size="*text_sm",
        block_title_text_weight="600",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        block_label_text_size="*text_sm",
        block_info_text_size="*text_sm",
        block_info_text_color=SUBDUED,
        block_info_text_color_dark="*neutral_400",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_800",
        input_background_fill="white",
        input_background_fill_dark="*neutral_950",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_color_focus=ACCENT,
        input_border_color_focus_dark="*primary_500",
        input_border_width="1px",
        input_shadow="none",
        input_shadow_focus="0 0 0 3px rgba(15,118,110,.18)",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        color_accent=ACCENT,
        button_primary_background_fill=ACCENT,
        button_primary_background_fill_dark=ACCENT,
        button_primary_background_fill_hover="#0d5f59",
        button_primary_background_fill_hover_dark="#12857c",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        button_primary_border_color="transparent",
        button_primary_border_color_dark="transparent",
        button_secondary_background_fill="white",
        button_secondary_background_fill_dark="*neutral_900",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_hover_dark="*neutral_800",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_border_width="1px",
        button_small_padding="5px 12px",
        button_small_text_size="*text_sm",
        button_medium_padding="8px 16px",
        button_large_text_weight="600",
        button_medium_text_weight="600",
        button_small_text_weight="600",
        checkbox_label_background_fill="white",
        checkbox_label_background_fill_dark="*neutral_950",
        checkbox_label_background_fill_hover="*neutral_50",
        checkbox_label_background_fill_hover_dark="*neutral_800",
        checkbox_label_background_fill_selected="*primary_50",
        checkbox_label_background_fill_selected_dark="rgba(45,212,191,.12)",
        checkbox_label_border_color="*neutral_300",
        checkbox_label_border_color_dark="*neutral_700",
        checkbox_label_border_width="1px",
        checkbox_label_shadow="none",
        checkbox_label_text_color_selected="*primary_900",
        checkbox_label_text_color_selected_dark="*primary_100",
        checkbox_background_color_selected=ACCENT,
        checkbox_background_color_selected_dark=ACCENT,
        checkbox_border_color_selected=ACCENT,
        checkbox_border_color_selected_dark=ACCENT,
        table_radius="*radius_md",
        loader_color=ACCENT,
    )
