export const webhooksPage = () => null;
