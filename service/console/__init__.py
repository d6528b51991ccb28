"""The moderators' pages: server-rendered, no build step."""
