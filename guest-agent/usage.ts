/** What `wdock-agent --help` prints; wdock-agent(8) is made from it, too. */
export const agentUsage = `usage: wdock-agent COMMAND

  system [--port PATH] [--root PATH] [--state FILE]
             the system service
  session    the helper in a user's session
  status [--json]
             what the running agent sees
  version    its version
`;
